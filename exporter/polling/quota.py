"""How much may be asked of the API now: the rules of one token's quota.

Pure: instants of a monotonic clock go in, a wait comes out. The quota is shared with people and
their other tools, so there are two bounds: what we may spend ourselves in any window, and what
the API says is left for everybody.
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
"""Cloudflare's documented quota per user or account token; used until the API tells its own.
https://developers.cloudflare.com/fundamentals/api/reference/limits/"""

LONGEST_WINDOW_SECONDS = 3600.0
"""Windows are five minutes by the documentation. A header that speaks of more than an hour is not
believed, or one slip of it would silence us for years."""

RELAXED_SHARE = 0.95
"""The part of our budget that users who are not at high risk may use: the rest stays free for
those who come to be in the meantime."""

BURST_WINDOWS = 10
"""Details are spread a little, too, over windows so many times shorter, for it takes a while to
see what others need."""

BURST_PARTS = {
    Priority.URGENT_DETAILS: 1 / 2,
    Priority.CHANGED_DETAILS: 1 / BURST_WINDOWS,
    Priority.RELAXED_DETAILS: 1 / (BURST_WINDOWS + 2),
}
"""The part of their budget that details may take in one of these. Trouble comes in bursts; other
changes, of which there may be more than can ever be read, go evenly, so that trouble finds room
at any moment; and catching up, which takes all it is given, leaves room for changes."""


class Quota:
    """The quota of one token, as far as it is known, and what we took of it.

    Who asks calls `decide`, then `spend`; whatever exchanges follow are told to `record_response`, or to
    `record_rate_limited` where they were refused; `release` ends it. So an answer of several pages, each an
    exchange of its own, counts as many times.

    `share` is the part of the quota we may spend. `reserved_per_second` is what summaries and
    configuration need; details leave room for that much, up to half of our budget.
    """

    def __init__(self, *, share: float, reserved_per_second: float = 0.0) -> None:
        self._share = share
        self._reserved_per_second = reserved_per_second
        self._policies: tuple[QuotaPolicy, ...] = (DEFAULT_POLICY,)
        self._left: dict[str, RemainingQuota] = {}
        self._learnt_from = float("-inf")
        self._spending = RequestLog(kept_seconds=LONGEST_WINDOW_SECONDS)
        self._in_flight = 0
        self._refusal = RateLimitPause()
        self._refused_taken = 0.0

    def set_share(self, *, share: float, reserved_per_second: float) -> None:
        """Spend by another share from now on; what is known of the quota stays."""
        self._share = share
        self._reserved_per_second = reserved_per_second

    def decide(self, priority: Priority, now: float) -> Pause | None:
        """None where a request of this priority may go now, else for how long it has to wait."""
        pauses = (
            self._refusal.pause(now),
            self._pause_of_others(priority, now),
            self._pause_of_budget(priority, now),
        )
        return max((pause for pause in pauses if pause), key=lambda p: p.until, default=None)

    def spend(self, now: float) -> None:
        """Note that a request may go out from now on."""
        self._spending.add(now)
        self._in_flight += 1
        for left in self._left.values():
            left.remaining -= 1
        self._refusal.note_asked(now)

    def record_response(
        self, now: float, *, sent_at: float, is_answered: bool, headers: QuotaHeaders | None
    ) -> None:
        """Note that an exchange has ended, with an answer or without, and what it told."""
        self._note_exchange(now, sent_at=sent_at, headers=headers)
        if is_answered:
            self._refusal.note_answered(sent_at=sent_at)

    def record_rate_limited(
        self,
        now: float,
        *,
        sent_at: float,
        retry_after_seconds: float | None,
        headers: QuotaHeaders | None,
    ) -> None:
        """Note a 429: nothing may go for as long as the API said, or else for a whole window."""
        self._note_exchange(now, sent_at=sent_at, headers=headers)
        window = max(policy.window_seconds for policy in self._policies)
        seconds = window if retry_after_seconds is None else retry_after_seconds
        self._refusal.begin(now, until=now + seconds)

    def take_refused_seconds(self, now: float) -> float:
        """Return in how many seconds the API refused the token since this was last called."""
        total = self._refusal.refused_seconds(now)
        seconds, self._refused_taken = total - self._refused_taken, total
        return seconds

    def release(self, spent_at: float, *, is_heard: bool) -> None:
        """Note that what `spend` allowed at that instant is over.

        Only what was heard of counts then; where the exchange was given up before anything
        could be heard, the request counts as sent.
        """
        self._in_flight -= 1
        self._refusal.note_over(spent_at)
        if is_heard:
            self._spending.take_back(spent_at)

    def state(self, now: float) -> QuotaState | None:
        """The policy with the smallest part left, as the API last said it.

        None before it said anything, and once that window is over.
        """
        said = [left.said for left in self._left.values() if now < left.said.resets_at]
        return min(said, key=lambda state: state.remaining / state.limit, default=None)

    def _note_exchange(self, now: float, *, sent_at: float, headers: QuotaHeaders | None) -> None:
        self._spending.add(sent_at)
        # Whoever asked earlier knows less, however late the answer comes.
        if headers is not None and sent_at >= self._learnt_from:
            self._learnt_from = sent_at
            self._learn(headers, now)

    def _learn(self, headers: QuotaHeaders, now: float) -> None:
        policies = tuple(policy for policy in headers.policies if _is_believable(policy))
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
        """What an answer says is left, less the other requests now on their way."""
        resets_at = now + min(item.reset_seconds, policy.window_seconds)
        said = QuotaState(policy.limit, item.remaining, resets_at)
        before = self._left.get(item.name)
        pace = Pace(policy.window_seconds) if before is None else before.pace
        sent_at = self._learnt_from
        pace.note(sent_at, said, partial(self._count_answered, until=sent_at))
        return RemainingQuota(said, item.remaining - max(self._in_flight - 1, 0), pace)

    def _count_answered(self, since: float, *, until: float) -> int:
        """How many of our requests the API has counted for sure: not those on their way."""
        return max(self._spending.count(since, until=until) - self._in_flight, 0)

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
            until = max(until, self._spending.fits_at(now, budget=budget, window_seconds=window))
            if priority in BURST_PARTS:
                # What is reserved for summaries goes out in every window, and counts in it too.
                reserved = self._reserved(policy) / BURST_WINDOWS
                part = ceil(reserved + budget * BURST_PARTS[priority])
                burst = window / BURST_WINDOWS
                until = max(until, self._spending.fits_at(now, budget=part, window_seconds=burst))
        return Pause(until, PauseReason.BUDGET) if until > now else None

    def _budget(self, priority: Priority, policy: QuotaPolicy) -> int:
        """How many requests may stand in one window when one of this priority is asked.

        At least one, for otherwise nothing would ever be asked.
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
        """What details leave of the budget of one window: half of it at the most."""
        needed = ceil(self._reserved_per_second * policy.window_seconds)
        return min(needed, self._whole(policy) // 2)


def _is_believable(policy: QuotaPolicy) -> bool:
    return policy.limit > 0 and 0 < policy.window_seconds <= LONGEST_WINDOW_SECONDS
