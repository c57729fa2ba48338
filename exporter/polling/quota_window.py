"""The state of a token's quota window: remaining quota, request log, rate-limit pause. Pure."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

from exporter.status import PauseReason


class Priority(IntEnum):
    """The purpose of a request; a lower number is admitted first."""

    SUMMARY = 0
    CONFIGURATION = 1
    URGENT_DETAILS = 2
    CHANGED_DETAILS = 3
    RELAXED_DETAILS = 4


DETAILS = (Priority.URGENT_DETAILS, Priority.CHANGED_DETAILS, Priority.RELAXED_DETAILS)
"""The priorities of details: users at high risk, other users who changed, and the rest."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Requests wait until `until`, unless a response ends the pause earlier."""

    until: float
    reason: PauseReason


SAMPLE_PART = 1 / 10
"""The pace of other clients is measured over at least this part of a window."""

SUMMARIES_ONLY_BELOW = 1 / 5
"""Below this remaining part of the quota, only summaries are requested."""

NOTHING_BELOW = 1 / 20
"""Below this remaining part, nothing is requested until the window resets."""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """One policy as the API reported it: `remaining` of `limit` requests until `resets_at`."""

    limit: int
    remaining: int
    resets_at: float


@dataclass(slots=True)
class Pace:
    """How many requests a second other clients send, derived from two responses of one window.

    The difference in remaining quota, less the exporter's own requests, was used by others. The
    first response is compared with the beginning of its window. The pace is kept into the next
    window, because clients that were busy probably still are.
    """

    window_seconds: float
    per_second: float | None = None
    _since: tuple[float, QuotaState] | None = None

    def note(self, at: float, said: QuotaState, count_ours: Callable[[float], int]) -> None:
        """Record a response to a request sent at `at`; `count_ours` counts own requests since then."""
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
        """Average with the previous measurement, because other clients seldom send evenly."""
        self.per_second = measured if self.per_second is None else (self.per_second + measured) / 2

    def _is_same_window(self, before: QuotaState, said: QuotaState) -> bool:
        return abs(said.resets_at - before.resets_at) < self.window_seconds / 2


@dataclass(slots=True)
class RemainingQuota:
    """The remaining quota: `said` as last reported, `remaining` less the requests sent since."""

    said: QuotaState
    remaining: int
    pace: Pace = field(repr=False)

    def summaries_until(self, now: float) -> float:
        """Return until when not even summaries may be sent; `now` or earlier if they may."""
        is_low = self.remaining <= self.said.limit * NOTHING_BELOW
        return self.said.resets_at if is_low else now

    def others_until(self, now: float, *, reserved_per_second: float) -> float:
        """Return until when only summaries may be sent; `now` or earlier if others may, too.

        The last fifth of the quota is left to other clients and summaries. Above it, the quota must
        last until the window resets at the pace of other clients and `reserved_per_second`, which
        the exporter's own polls need.
        """
        if self.remaining <= self.said.limit * SUMMARIES_ONLY_BELOW:
            return self.said.resets_at
        per_second = self.pace.per_second
        if not per_second:
            return now
        spare = self.remaining - self.said.limit * NOTHING_BELOW
        return self.said.resets_at - spare / (per_second + reserved_per_second)


class RequestLog:
    """The instants of the requests of one token, in order."""

    def __init__(self, *, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._instants: list[float] = []

    def add(self, instant: float) -> None:
        """Add a request, and drop those older than `kept_seconds`."""
        insort(self._instants, instant)
        del self._instants[: bisect_right(self._instants, instant - self._kept_seconds)]

    def take_back(self, instant: float) -> None:
        """Remove one request of exactly this instant, if present."""
        position = bisect_left(self._instants, instant)
        if position < len(self._instants) and self._instants[position] == instant:
            del self._instants[position]

    def count(self, since: float, *, until: float) -> int:
        """Return how many requests there were after `since`, up to `until`."""
        return bisect_right(self._instants, until) - bisect_right(self._instants, since)

    def fits_at(self, now: float, *, budget: int, window_seconds: float) -> float:
        """Return the first instant at which the window that ends then has fewer than `budget` requests.

        `now` or earlier if one more request fits already.
        """
        if self.count(now - window_seconds, until=now) < budget:
            return now
        return self._instants[-budget] + window_seconds


_SAME_INSTANT_SECONDS = 0.001
"""The rounding error of instants after addition and subtraction is below this."""


class RateLimitPause:
    """The pause of one token after a 429; instants are those of a monotonic clock.

    The first request after the pause is a probe; while it is in flight nothing else is sent.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._probe: float | None = None
        self._rate_limited_before = 0.0
        self._began = self._ends = 0.0

    def pause(self, now: float) -> Pause | None:
        """Return until when nothing may be sent, or None. Infinity while a probe is in flight."""
        if self._until is None:
            return None
        if self._probe is not None:
            return Pause(float("inf"), PauseReason.RATE_LIMITED)
        return Pause(self._until, PauseReason.RATE_LIMITED) if now < self._until else None

    def rate_limited_seconds(self, now: float) -> float:
        """Return for how many seconds the API has rate limited the token so far.

        They run from the 429 to the instant it named, whether or not a request waits; overlapping
        429s count once.
        """
        return self._rate_limited_before + max(min(now, self._ends) - self._began, 0.0)

    def begin(self, now: float, *, until: float) -> None:
        """Record a 429. Of several, the longest pause holds."""
        if now >= self._ends:
            self._rate_limited_before = self.rate_limited_seconds(now)
            self._began = now
        self._ends = max(self._ends, until)
        self._until = until if self._until is None else max(until, self._until)

    def record_sent(self, instant: float) -> None:
        """Record that a request is sent; during a pause it is the probe."""
        if self._until is not None:
            self._probe = instant

    def record_response(self, *, sent_at: float) -> None:
        """Record a response other than a 429.

        A response to a request from before the end of the pause does not end it.
        """
        if self._until is not None and sent_at > self._until - _SAME_INSTANT_SECONDS:
            self._until = None

    def record_end(self, instant: float) -> None:
        """Record that the request of that instant has ended; without a response, probe again."""
        if self._probe == instant:
            self._probe = None
