"""Decide when the quota of one token admits a request. Pure: the caller passes the time.

Instants are those of a monotonic clock. The quota is shared with people and their other tools, so
there are two bounds: the exporter's own requests in any window, and the remaining quota that the
API reports.
"""

from functools import partial
from math import ceil, floor

from exporter.cloudflare.wire import QuotaHeaders, QuotaLeft, QuotaPolicy
from exporter.polling.quota_window import (
    Pace,
    Pause,
    Priority,
    QuotaState,
    RateLimitPause,
    RemainingQuota,
    RequestLog,
)
from exporter.status import PauseReason

DEFAULT_POLICY = QuotaPolicy(name="default", limit=1200, window_seconds=300)
"""Cloudflare's documented quota per user or account token; used until the API reports its own.
https://developers.cloudflare.com/fundamentals/api/reference/limits/"""

LONGEST_WINDOW_SECONDS = 3600.0
"""Windows are five minutes by the documentation. A header with a longer window than an hour is
ignored, because one wrong value would stop polling for years."""

RELAXED_SHARE = 0.95
"""The part of the budget for users who are not at high risk. The rest is reserved for users who
rise to high risk within the window."""

BURST_WINDOWS = 10
"""Details are also spread over windows that are this many times shorter, because the pace of other
clients becomes known only after a while."""

BURST_PARTS = {
    Priority.URGENT_DETAILS: 1 / 2,
    Priority.CHANGED_DETAILS: 1 / BURST_WINDOWS,
    Priority.RELAXED_DETAILS: 1 / (BURST_WINDOWS + 2),
}
"""The part of their budget that details may use in one short window. Users at high risk come in
bursts. Other changes, which may exceed the budget permanently, are spread evenly, so that urgent
requests are admitted at any time. Refreshes use their whole part, which is the smallest, so that changes still fit."""


class Quota:
    """The quota of one token, as far as it is known, and the exporter's use of it.

    A caller uses `decide`, then `spend`. Each exchange that follows is passed to `record_response`,
    or to `record_rate_limited` after a 429; `release` ends the request. A response of several pages
    counts once for each page.

    `share` is the part of the quota for the exporter. `reserved_per_second` is what summaries and
    configuration need; details leave room for it, up to half of the budget.
    """

    def __init__(self, *, share: float, reserved_per_second: float = 0.0) -> None:
        self._share = share
        self._reserved_per_second = reserved_per_second
        self._policies: tuple[QuotaPolicy, ...] = (DEFAULT_POLICY,)
        self._left: dict[str, RemainingQuota] = {}
        self._learned_from = float("-inf")
        self._requests = RequestLog(kept_seconds=LONGEST_WINDOW_SECONDS)
        self._in_flight = 0
        self._pause = RateLimitPause()
        self._rate_limited_taken = 0.0

    def set_share(self, *, share: float, reserved_per_second: float) -> None:
        """Set another share and reservation. The known state of the quota is kept."""
        self._share = share
        self._reserved_per_second = reserved_per_second

    def decide(self, priority: Priority, now: float) -> Pause | None:
        """Return the pause of a request of this priority, or None if it may be sent now."""
        pauses = (
            self._pause.pause(now),
            self._pause_of_others(priority, now),
            self._pause_of_budget(priority, now),
        )
        return max((pause for pause in pauses if pause), key=lambda p: p.until, default=None)

    def spend(self, now: float) -> None:
        """Record that a request may be sent from now on."""
        self._requests.add(now)
        self._in_flight += 1
        for left in self._left.values():
            left.remaining -= 1
        self._pause.record_sent(now)

    def record_response(
        self, now: float, *, sent_at: float, is_answered: bool, headers: QuotaHeaders | None
    ) -> None:
        """Record that an exchange has ended, with or without a response."""
        self._note_exchange(now, sent_at=sent_at, headers=headers)
        if is_answered:
            self._pause.record_response(sent_at=sent_at)

    def record_rate_limited(
        self,
        now: float,
        *,
        sent_at: float,
        retry_after_seconds: float | None,
        headers: QuotaHeaders | None,
    ) -> None:
        """Record a 429: pause for as long as the API demands, or else for a whole window."""
        self._note_exchange(now, sent_at=sent_at, headers=headers)
        window = max(policy.window_seconds for policy in self._policies)
        seconds = window if retry_after_seconds is None else retry_after_seconds
        self._pause.begin(now, until=now + seconds)

    def take_rate_limited_seconds(self, now: float) -> float:
        """Return for how many seconds the token was rate limited since the last call."""
        total = self._pause.rate_limited_seconds(now)
        seconds, self._rate_limited_taken = total - self._rate_limited_taken, total
        return seconds

    def release(self, spent_at: float, *, is_recorded: bool) -> None:
        """End the request that `spend` recorded at that instant.

        Its recorded exchanges count instead of it. If it was cancelled before any response, it
        counts as sent.
        """
        self._in_flight -= 1
        self._pause.record_end(spent_at)
        if is_recorded:
            self._requests.take_back(spent_at)

    def state(self, now: float) -> QuotaState | None:
        """Return the policy with the smallest remaining part, as the API last reported it.

        None before the first report, and once its window is over.
        """
        said = [left.said for left in self._left.values() if now < left.said.resets_at]
        return min(said, key=lambda state: state.remaining / state.limit, default=None)

    def _note_exchange(self, now: float, *, sent_at: float, headers: QuotaHeaders | None) -> None:
        self._requests.add(sent_at)
        # A response to an earlier request is outdated, however late it comes.
        if headers is not None and sent_at >= self._learned_from:
            self._learned_from = sent_at
            self._learn(headers, now)

    def _learn(self, headers: QuotaHeaders, now: float) -> None:
        policies = tuple(policy for policy in headers.policies if _is_plausible(policy))
        if policies:
            self._policies = policies
        by_name = {policy.name: policy for policy in self._policies}
        left = {
            item.name: self._counted(item, by_name.get(item.name, self._policies[0]), now)
            for item in headers.left
        }
        current = {name: left for name, left in self._left.items() if now < left.said.resets_at}
        self._left = {**current, **left}

    def _counted(self, item: QuotaLeft, policy: QuotaPolicy, now: float) -> RemainingQuota:
        """Return the reported remaining quota, less the other requests in flight."""
        resets_at = now + min(item.reset_seconds, policy.window_seconds)
        said = QuotaState(policy.limit, item.remaining, resets_at)
        before = self._left.get(item.name)
        pace = Pace(policy.window_seconds) if before is None else before.pace
        sent_at = self._learned_from
        pace.note(sent_at, said, partial(self._count_answered, until=sent_at))
        return RemainingQuota(said, item.remaining - max(self._in_flight - 1, 0), pace)

    def _count_answered(self, since: float, *, until: float) -> int:
        """Return how many requests the API has certainly counted, those in flight excluded."""
        return max(self._requests.count(since, until=until) - self._in_flight, 0)

    def _pause_of_others(self, priority: Priority, now: float) -> Pause | None:
        untils = [
            left.summaries_until(now)
            if priority is Priority.SUMMARY
            else max(
                left.summaries_until(now),
                left.others_until(now, reserved_per_second=self._reserved_per_second),
            )
            for left in self._left.values()
            if now < left.said.resets_at
        ]
        until = max(untils, default=now)
        return Pause(until, PauseReason.BUDGET) if until > now else None

    def _pause_of_budget(self, priority: Priority, now: float) -> Pause | None:
        until = now
        for policy in self._policies:
            window, budget = policy.window_seconds, self._budget(priority, policy)
            until = max(until, self._requests.fits_at(now, budget=budget, window_seconds=window))
            if priority in BURST_PARTS:
                # Summaries are sent in every window and count in it, too.
                reserved = self._reserved(policy) / BURST_WINDOWS
                part = ceil(reserved + budget * BURST_PARTS[priority])
                burst = window / BURST_WINDOWS
                until = max(until, self._requests.fits_at(now, budget=part, window_seconds=burst))
        return Pause(until, PauseReason.BUDGET) if until > now else None

    def _budget(self, priority: Priority, policy: QuotaPolicy) -> int:
        """Return how many requests of up to this priority may be in one window.

        At least one, because otherwise nothing would ever be requested.
        """
        whole = self._whole(policy)
        if priority <= Priority.CONFIGURATION:
            return whole
        details = whole - self._reserved(policy)
        if priority > Priority.URGENT_DETAILS:
            details = floor(details * RELAXED_SHARE)
        return max(details, 1)

    def _whole(self, policy: QuotaPolicy) -> int:
        return max(floor(self._share * policy.limit), 1)

    def _reserved(self, policy: QuotaPolicy) -> int:
        """Return the part of a window's budget reserved for polls, at most half of it."""
        needed = ceil(self._reserved_per_second * policy.window_seconds)
        return min(needed, self._whole(policy) // 2)


def _is_plausible(policy: QuotaPolicy) -> bool:
    return policy.limit > 0 and 0 < policy.window_seconds <= LONGEST_WINDOW_SECONDS
