"""What is left under one policy for everybody, and how fast others spend it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

SAMPLE_PART = 1 / 10
"""Others' pace is taken over this part of a window at least."""

SUMMARIES_ONLY_BELOW = 1 / 5
"""With this part of the quota left for everybody, only summaries go on."""

NOTHING_BELOW = 1 / 20
"""With this part left, we ask nothing until the window resets."""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """What the API said of one policy: `remaining` of `limit` requests until `resets_at`."""

    limit: int
    remaining: int
    resets_at: float


@dataclass(slots=True)
class Pace:
    """How many requests a second others make, as two answers of one window tell.

    What is missing between them and was not asked by us was asked by others. The first answer
    is compared with the beginning of its window. The pace is kept over the beginning of the next:
    who was busy before probably still is.
    """

    window_seconds: float
    per_second: float | None = None
    _since: tuple[float, QuotaState] | None = None

    def note(self, at: float, said: QuotaState, count_ours: Callable[[float], int]) -> None:
        """Note an answer to a request sent at `at`; `count_ours` counts ours since an instant."""
        if self._since is None:
            began = said.resets_at - self.window_seconds
            self._since = (began, replace(said, remaining=said.limit))
        since, before = self._since
        if not self._is_same_window(before, said):
            self._since = (at, said)
        elif at - since >= self.window_seconds * SAMPLE_PART:
            spent = max(before.remaining - said.remaining - count_ours(since), 0)
            self._measure(spent / (at - since))
            self._since = (at, said)

    def _measure(self, measured: float) -> None:
        """Take the mean with what was measured before: others are seldom even."""
        self.per_second = measured if self.per_second is None else (self.per_second + measured) / 2

    def _is_same_window(self, before: QuotaState, said: QuotaState) -> bool:
        return abs(said.resets_at - before.resets_at) < self.window_seconds / 2


@dataclass(slots=True)
class Left:
    """What is left: as last said, and that less what was asked since."""

    said: QuotaState
    remaining: int
    pace: Pace = field(repr=False)

    def summaries_until(self, now: float) -> float:
        """Until when not even summaries may go; `now` or earlier where they may."""
        is_low = self.remaining <= self.said.limit * NOTHING_BELOW
        return self.said.resets_at if is_low else now

    def others_until(self, now: float, *, reserved_per_second: float) -> float:
        """Until when nothing but summaries may go; `now` or earlier where it may.

        A fifth of the quota stays for others, and whatever they will need at their pace until
        the window resets, beside the `reserved_per_second` of our own summaries.
        """
        if self.remaining <= self.said.limit * SUMMARIES_ONLY_BELOW:
            return self.said.resets_at
        per_second = self.pace.per_second
        if not per_second:
            return now
        spare = self.remaining - self.said.limit * NOTHING_BELOW
        return self.said.resets_at - spare / (per_second + reserved_per_second)
