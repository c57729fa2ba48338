"""What is remembered of how a resource's polls went, for people who look later; pure.

Of an error only values are kept: its traceback would keep alive what was being read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.errors import ForbiddenError, PollError, StatusError, UnauthorizedError


@dataclass(frozen=True, slots=True)
class Failures:
    """All failures for one reason: how many, when the first and the last were, in Unix seconds.

    `message`, HTTP's `status` and the envelope's `codes` are the last one's. The message may
    repeat what the API said; `status` is None where there was no answer with one.
    """

    reason: str
    message: str
    status: int | None
    codes: tuple[int, ...]
    count: int
    first_at: float
    last_at: float


class PollHistory:
    """How the polls of one resource went since the start; it does not grow with their number.

    `failing_since` is when the first of the present row of failures was, None while all is well.
    `refusal` is the reason for which the API last refused the token, None where it last accepted
    it or never said: a failure of another kind proves nothing about the token.
    """

    def __init__(self) -> None:
        self.failing_since: float | None = None
        self.refusal: str | None = None
        self._by_reason: dict[str, Failures] = {}

    def succeed(self) -> None:
        """Note a poll that went well."""
        self.failing_since = None
        self.refusal = None

    def fail(self, error: PollError, *, now: float) -> None:
        """Note a poll that failed at the Unix second `now`."""
        if self.failing_since is None:
            self.failing_since = now
        if isinstance(error, ForbiddenError | UnauthorizedError):
            self.refusal = error.reason
        before = self._by_reason.pop(error.reason, None)
        self._by_reason[error.reason] = _failures(error, before, now=now)

    def failures(self) -> Sequence[Failures]:
        """All failures, an entry for each reason, the latest first."""
        return tuple(reversed(self._by_reason.values()))


def _failures(error: PollError, before: Failures | None, *, now: float) -> Failures:
    status, codes = (error.status, error.codes) if isinstance(error, StatusError) else (None, ())
    return Failures(
        reason=error.reason,
        message=str(error),
        status=status,
        codes=codes,
        count=1 if before is None else before.count + 1,
        first_at=now if before is None else before.first_at,
        last_at=now,
    )
