"""Hold requests back until the quota allows them: one governor for each distinct token.

The rules are in `quota`; here tasks wait, highest priority first.
"""

import asyncio
from bisect import insort
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from exporter.clock import Clock
from exporter.cloudflare.client import Exchange
from exporter.polling.quota import Quota
from exporter.polling.quota_window import Pause, Priority, QuotaState
from exporter.status import PauseReason

REPORT_INTERVAL_SECONDS = 1.0
"""How often a pause for the budget is added to the counter while it lasts."""


class Admission:
    """Permission to send one request, as a context manager; the block need not send it.

    If the block is left by an exception, which is always a cancellation, the request counts as sent.
    """

    def __init__(self, governor: "Governor", *, spent_at: float) -> None:
        self._governor = governor
        self._spent_at = spent_at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._governor.release(self._spent_at, is_recorded=kind is None)


@dataclass(slots=True, order=True)
class _Waiter:
    priority: Priority
    position: int
    account: str = field(compare=False)
    reported_until: float = field(compare=False)
    turn: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class Governor:
    """Admits requests of all accounts and tasks that share a token.

    `on_paused(account, reason, seconds)` is called with the seconds in which an account's requests
    were held back. A budget pause is reported while a request of the account waits, and once for
    all its waiting requests. `report_rate_limited` reports a rate-limit pause for each of
    `accounts`, whether or not a request waits.
    """

    def __init__(
        self,
        quota: Quota,
        *,
        accounts: Collection[str],
        clock: Clock,
        on_paused: Callable[[str, PauseReason, float], None],
    ) -> None:
        self._quota = quota
        self.accounts = accounts
        self._clock = clock
        self._on_paused = on_paused
        self._positions = count()
        self._waiters: list[_Waiter] = []

    async def admit(self, account: str, priority: Priority) -> Admission:
        """Wait until a request of this priority may be sent, and count it.

        The admission must be entered before anything else is awaited.
        """
        waiter = _Waiter(priority, next(self._positions), account, self._clock.monotonic())
        insort(self._waiters, waiter)
        try:
            await self._wait_for_turn(waiter)
            now = self._clock.monotonic()
            self._quota.spend(now)
            return Admission(self, spent_at=now)
        finally:
            self._waiters.remove(waiter)
            self._wake_first()

    def record_response(self, exchange: Exchange) -> None:
        """Record an exchange with the API, successful or not."""
        now = self._clock.monotonic()
        sent_at = now - exchange.seconds
        if exchange.outcome == "429":
            self._quota.record_rate_limited(
                now,
                sent_at=sent_at,
                retry_after_seconds=exchange.retry_after_seconds,
                headers=exchange.quota,
            )
        else:
            self._quota.record_response(
                now,
                sent_at=sent_at,
                is_answered=exchange.outcome.isdecimal(),
                headers=exchange.quota,
            )
        self._wake_first()

    def report_rate_limited(self) -> None:
        """Report for how many seconds the token was rate limited since the last call.

        Call it before each scrape, because the seconds pass without an event.
        """
        seconds = self._quota.take_rate_limited_seconds(self._clock.monotonic())
        if seconds > 0.0:
            for account in self.accounts:
                self._on_paused(account, PauseReason.RATE_LIMITED, seconds)

    def release(self, spent_at: float, *, is_recorded: bool) -> None:
        """End the request admitted at `spent_at`; see `Quota.release`."""
        self._quota.release(spent_at, is_recorded=is_recorded)
        self._wake_first()

    def state(self) -> QuotaState | None:
        """Return the quota as the API last reported it, or None."""
        return self._quota.state(self._clock.monotonic())

    def pause(self, account: str) -> Pause | None:
        """Return what holds back the most urgent waiting request of this account, or None.

        If none waits, return what would hold back its next summary.
        """
        priorities = (waiter.priority for waiter in self._waiters if waiter.account == account)
        priority = next(priorities, Priority.SUMMARY)
        return self._quota.decide(priority, self._clock.monotonic())

    async def _wait_for_turn(self, waiter: _Waiter) -> None:
        while True:
            waiter.turn.clear()
            if self._waiters[0] is not waiter:
                await waiter.turn.wait()
                continue
            now = self._clock.monotonic()
            pause = self._quota.decide(waiter.priority, now)
            if pause is None:
                return
            await self._clock.wait(waiter.turn, min(pause.until - now, REPORT_INTERVAL_SECONDS))
            self._report_paused(pause.reason)

    def _wake_first(self) -> None:
        if self._waiters:
            self._waiters[0].turn.set()

    def _report_paused(self, reason: PauseReason) -> None:
        """Report each account's budget pause since the last report, by its longest waiting request."""
        now = self._clock.monotonic()
        since: dict[str, float] = {}
        for waiter in self._waiters:
            since[waiter.account] = min(since.get(waiter.account, now), waiter.reported_until)
            waiter.reported_until = now
        if reason is PauseReason.BUDGET:
            for account, reported_until in since.items():
                self._on_paused(account, reason, now - reported_until)
