"""What is known of a token's quota window: remaining requests, own requests, rate-limit pause. Pure."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

from exporter.status import PauseReason


class Priority(IntEnum):
    """What a request is for; a lower number goes first."""

    SUMMARY = 0
    CONFIGURATION = 1
    URGENT_DETAILS = 2
    CHANGED_DETAILS = 3
    RELAXED_DETAILS = 4


DETAILS = (Priority.URGENT_DETAILS, Priority.CHANGED_DETAILS, Priority.RELAXED_DETAILS)
"""What details are asked for: users at high risk; others who changed; catching up."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask nothing before `until`, or before something was learnt that ends the pause sooner."""

    until: float
    reason: PauseReason


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
class RemainingQuota:
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


class RequestLog:
    """The instants of all requests of one token, in order."""

    def __init__(self, *, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._instants: list[float] = []

    def add(self, instant: float) -> None:
        """Note a request, and drop what is older than `kept_seconds` by then."""
        insort(self._instants, instant)
        del self._instants[: bisect_right(self._instants, instant - self._kept_seconds)]

    def take_back(self, instant: float) -> None:
        """Forget one request noted at exactly this instant, if it is still known."""
        position = bisect_left(self._instants, instant)
        if position < len(self._instants) and self._instants[position] == instant:
            del self._instants[position]

    def count(self, since: float, *, until: float) -> int:
        """How many requests there were after `since`, up to `until`."""
        return bisect_right(self._instants, until) - bisect_right(self._instants, since)

    def fits_at(self, now: float, *, budget: int, window_seconds: float) -> float:
        """From when on one more request makes no more than `budget` in the window ending then.

        That is `now` or earlier where it fits already.
        """
        if self.count(now - window_seconds, until=now) < budget:
            return now
        return self._instants[-budget] + window_seconds


_SAME_INSTANT_SECONDS = 0.001
"""Instants that were added and subtracted again differ by less than this."""


class RateLimitPause:
    """Whether one token is refused now; instants are those of a monotonic clock.

    The first request after the silence is the probe; while it is on its way nothing else goes.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._probe: float | None = None
        self._refused_before = 0.0
        self._began = self._ends = 0.0

    def pause(self, now: float) -> Pause | None:
        """How long nothing at all may be asked; None where a request may go.

        For ever, as far as one can tell, while a probe is on its way.
        """
        if self._until is None:
            return None
        if self._probe is not None:
            return Pause(float("inf"), PauseReason.RATE_LIMITED)
        return Pause(self._until, PauseReason.RATE_LIMITED) if now < self._until else None

    def refused_seconds(self, now: float) -> float:
        """Return in how many seconds the API has refused the token so far.

        They run from the 429 to the instant it named, whether or not a request waits; overlapping
        429s count once.
        """
        return self._refused_before + max(min(now, self._ends) - self._began, 0.0)

    def begin(self, now: float, *, until: float) -> None:
        """Note a 429. Of several the longest holds."""
        if now >= self._ends:
            self._refused_before = self.refused_seconds(now)
            self._began = now
        self._ends = max(self._ends, until)
        self._until = until if self._until is None else max(until, self._until)

    def note_asked(self, instant: float) -> None:
        """Note that a request goes out: during a refusal it is the probe."""
        if self._until is not None:
            self._probe = instant

    def note_answered(self, *, sent_at: float) -> None:
        """Note an answer that was no 429.

        One to something asked before the silence was over says nothing of what is allowed now.
        """
        if self._until is not None and sent_at > self._until - _SAME_INSTANT_SECONDS:
            self._until = None

    def note_over(self, instant: float) -> None:
        """Note that what was asked at `instant` is over: a probe that told nothing needs another."""
        if self._probe == instant:
            self._probe = None
