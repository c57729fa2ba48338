"""How much may be asked of the API now: the rules of one token's quota.

Pure: instants of a monotonic clock go in, a wait comes out. The quota is shared with people and
their other tools, so there are two bounds: what we may spend ourselves in any window, and what
the API says is left for everybody.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass
from enum import IntEnum
from math import ceil, floor

from exporter.cloudflare.wire import QuotaHeaders, QuotaPolicy


class Priority(IntEnum):
    """What a request is for; a lower number goes first."""

    SUMMARY = 0
    CONFIGURATION = 1
    URGENT_DETAILS = 2
    RELAXED_DETAILS = 3


class PauseReason(IntEnum):
    """Why a request has to wait: the API refused us, or the budget is used up."""

    RATE_LIMITED = 0
    BUDGET = 1

    @property
    def label(self) -> str:
        """The value of the `reason` label of `api_paused_seconds_total`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask nothing before `until`, or before something was learnt that ends the pause sooner."""

    until: float
    reason: PauseReason


DEFAULT_POLICY = QuotaPolicy(name="default", limit=1200, window_seconds=300)
"""Cloudflare's documented quota per user or account token; used until the API tells its own."""

SUMMARIES_ONLY_BELOW = 1 / 5
"""With this part of the quota left for everybody, only summaries go on."""

NOTHING_BELOW = 1 / 20
"""With this part left, we ask nothing until the window resets."""

RELAXED_SHARE = 0.8
"""The part of our budget that refreshing and catching up may use: the rest stays free for
users who change in the meantime."""

PROBE_SECONDS = 60.0
"""A probe whose answer never came is given up after this long, and another may go."""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """What the API last said of the policy nearest to its end, for those who watch."""

    limit: int
    remaining: int
    resets_at: float


@dataclass(slots=True)
class _Left:
    """What is left under one policy: as last said, less what was asked since."""

    limit: int
    remaining: int
    resets_at: float


class Quota:
    """The quota of one token, as far as it is known, and what we took of it.

    `share` is the part of it we may spend. `reserved_per_second` is what summaries and
    configuration need; details leave room for that much, up to half of our budget.

    Who asks calls `decide`, then `spend` and, when the exchange has ended, `settle`.
    """

    def __init__(self, *, share: float, reserved_per_second: float = 0.0) -> None:
        self._share = share
        self._reserved_per_second = reserved_per_second
        self._policies: tuple[QuotaPolicy, ...] = (DEFAULT_POLICY,)
        self._left: dict[str, _Left] = {}
        self._spent_at: list[float] = []
        self._in_flight = 0
        self._refused_until: float | None = None
        self._probed_at: float | None = None

    def decide(self, priority: Priority, now: float) -> Pause | None:
        """None where a request of this priority may go now, else for how long it has to wait."""
        pauses = (
            self._pause_of_refusal(now),
            self._pause_of_others(priority, now),
            self._pause_of_budget(priority, now),
        )
        return max((pause for pause in pauses if pause), key=lambda p: p.until, default=None)

    def spend(self, now: float) -> None:
        """Note that a request goes out now."""
        del self._spent_at[: bisect_right(self._spent_at, now - self._longest_window())]
        self._spent_at.append(now)
        self._in_flight += 1
        for left in self._left.values():
            left.remaining -= 1
        if self._refused_until is not None:
            self._probed_at = now

    def settle(
        self, now: float, *, sent_at: float, answered: bool, quota: QuotaHeaders | None
    ) -> None:
        """Note that an exchange has ended, with an answer or without, and what it told.

        Only an answer to something asked after a refusal shows that the refusal is over. An
        exchange nobody had noted, such as a summary's second page, counts as spent too.
        """
        if self._in_flight == 0:
            insort(self._spent_at, sent_at)
        self._in_flight = max(self._in_flight - 1, 0)
        if quota is not None:
            self._learn(quota, now)
        if self._refused_until is not None and sent_at >= self._refused_until:
            self._probed_at = None
            if answered:
                self._refused_until = None

    def forgo(self) -> None:
        """Note that a request counted as spent will not be sent after all."""
        self._in_flight -= 1

    def refuse(
        self,
        now: float,
        *,
        sent_at: float,
        retry_after_seconds: float | None,
        quota: QuotaHeaders | None,
    ) -> None:
        """Note a 429: nothing may go for as long as the API said, or else for a whole window."""
        wait = self._longest_window() if retry_after_seconds is None else retry_after_seconds
        self.settle(now, sent_at=sent_at, answered=False, quota=quota)
        self._refused_until = max(now + wait, self._refused_until or now)

    def state(self, now: float) -> QuotaState | None:
        """The policy with the smallest part left; None before the API said anything."""
        known = [left for left in self._left.values() if left.resets_at > now]
        if not known:
            return None
        left = min(known, key=lambda left: left.remaining / left.limit)
        return QuotaState(left.limit, max(left.remaining, 0), left.resets_at)

    def _learn(self, quota: QuotaHeaders, now: float) -> None:
        policies = tuple(p for p in quota.policies if p.limit > 0 and p.window_seconds > 0)
        if policies:
            self._policies = policies
        limits = {policy.name: policy.limit for policy in self._policies}
        for item in quota.left:
            limit = limits.get(item.name, self._policies[0].limit)
            self._left[item.name] = _Left(
                limit, item.remaining - self._in_flight, now + item.reset_seconds
            )

    def _longest_window(self) -> float:
        return max(policy.window_seconds for policy in (*self._policies, DEFAULT_POLICY))

    def _pause_of_refusal(self, now: float) -> Pause | None:
        if self._refused_until is None:
            return None
        if now < self._refused_until:
            return Pause(self._refused_until, PauseReason.RATE_LIMITED)
        if self._probed_at is not None and now < self._probed_at + PROBE_SECONDS:
            return Pause(self._probed_at + PROBE_SECONDS, PauseReason.RATE_LIMITED)
        return None

    def _pause_of_others(self, priority: Priority, now: float) -> Pause | None:
        floor_part = NOTHING_BELOW if priority is Priority.SUMMARY else SUMMARIES_ONLY_BELOW
        resets = [
            left.resets_at
            for left in self._left.values()
            if now < left.resets_at and left.remaining <= left.limit * floor_part
        ]
        return Pause(max(resets), PauseReason.BUDGET) if resets else None

    def _pause_of_budget(self, priority: Priority, now: float) -> Pause | None:
        pauses = []
        for policy in self._policies:
            budget = self._budget(priority, policy)
            expired = bisect_right(self._spent_at, now - policy.window_seconds)
            excess = len(self._spent_at) - expired + 1 - budget
            if excess > 0:
                freed_by = self._spent_at[expired + excess - 1]
                pauses.append(Pause(freed_by + policy.window_seconds, PauseReason.BUDGET))
        return max(pauses, key=lambda pause: pause.until, default=None)

    def _budget(self, priority: Priority, policy: QuotaPolicy) -> int:
        """How many requests may stand in one window when one of this priority is asked.

        At least one, for otherwise nothing would ever be asked.
        """
        whole = max(floor(self._share * policy.limit), 1)
        if priority <= Priority.CONFIGURATION:
            return whole
        reserved = ceil(self._reserved_per_second * policy.window_seconds)
        details = whole - min(reserved, whole // 2)
        if priority is Priority.RELAXED_DETAILS:
            details = floor(details * RELAXED_SHARE)
        return max(details, 1)
