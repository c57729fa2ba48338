"""How one resource of one account fares: its polls, its failures, and who is told.

A failure becomes a value here; nothing above has to catch an API error.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import structlog

from exporter.clock import Clock
from exporter.errors import PollError
from exporter.polling.history import PollHistory
from exporter.telemetry import Telemetry

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class ResourceName(StrEnum):
    """What is polled; the value of the `resource` label."""

    SUMMARY = "summary"
    USERS = "users"
    BEHAVIORS = "behaviors"
    INTEGRATIONS = "integrations"


UNREADABLE_PART = 0.1
"""More unreadable rows than this part of all are more than a few odd rows: the API has changed."""


class Resource:
    """One resource of one account.

    `error` is why its last poll failed, None while all is well; `last_success_at` is in Unix
    seconds, None before the first; `history` is for people. `rows` counts the rows of good answers
    since the start, `unreadable_rows` those of them that could not be read.
    """

    def __init__(
        self,
        name: ResourceName,
        *,
        account: str,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self.name = name
        self.last_success_at: float | None = None
        self.history = PollHistory()
        self.rows = 0
        self.unreadable_rows = 0
        self._account = account
        self._telemetry = telemetry
        self._clock = clock
        self._failing: dict[str, PollError] = {}
        self._warned: set[str] = set()

    @property
    def error(self) -> PollError | None:
        """Why the last poll failed whose subject did not succeed since; None: all is well."""
        return next(reversed(self._failing.values()), None)

    @property
    def is_mostly_readable(self) -> bool:
        """Whether no more than `UNREADABLE_PART` of the rows read so far were unreadable."""
        return self.unreadable_rows <= UNREADABLE_PART * self.rows

    def note_rows(self, *, rows: int, unreadable: int, operation: str) -> None:
        """Count the rows of a good answer; log a warning when some are unreadable for the first time.

        Later answers with unreadable rows are logged at debug level: the counters show them.
        """
        labels = (self._account, operation)
        self.rows += rows
        self._telemetry.answer_rows.labels(*labels).inc(rows)
        if not unreadable:
            return
        log = _log.debug if self.unreadable_rows else _log.warning
        self.unreadable_rows += unreadable
        self._telemetry.unreadable_rows.labels(*labels).inc(unreadable)
        log(
            "rows.skipped",
            account=self._account,
            operation=operation,
            rows=rows,
            unreadable=unreadable,
        )

    async def attempt(self, ask: Callable[[], Awaitable[T]], *, subject: str = "") -> T | PollError:
        """Ask once. The error it failed with is returned, counted, and logged when it is new.

        `subject` is whom is asked about where the resource has many: the user.
        """
        labels = (self._account, self.name)
        self._telemetry.polls.labels(*labels).inc()
        began = self._clock.monotonic()
        try:
            result: T | PollError = await ask()
        except PollError as error:
            result = error
        self._telemetry.poll_duration.labels(*labels).set(self._clock.monotonic() - began)
        if isinstance(result, PollError):
            self._fail(subject, result)
        else:
            self._succeed(subject)
        return result

    def _succeed(self, subject: str) -> None:
        self.last_success_at = self._clock.time()
        self.history.succeed()
        labels = (self._account, self.name)
        self._telemetry.last_success.labels(*labels).set(self.last_success_at)
        self._telemetry.resource_up.labels(*labels).set(1)
        self._failing.pop(subject, None)
        if self._warned and not self._failing:
            self._warned.clear()
            _log.info("poll.recovered", account=self._account, resource=self.name.value)

    def _fail(self, subject: str, error: PollError) -> None:
        self.history.fail(error, now=self._clock.time())
        labels = (self._account, self.name)
        self._telemetry.poll_failures.labels(*labels, error.reason).inc()
        self._telemetry.resource_up.labels(*labels).set(0)
        tell = _log.debug if error.reason in self._warned else _log.warning
        tell(
            "poll.failed",
            account=self._account,
            resource=self.name.value,
            reason=error.reason,
            error=str(error),
        )
        self._warned.add(error.reason)
        self._failing.pop(subject, None)
        self._failing[subject] = _without_traceback(error)


def _without_traceback(error: PollError) -> PollError:
    """Drop the traceback and the causes: their frames hold the answer that was being read."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
