"""Holds requests back until the quota allows them: one governor for each distinct token.

The rules are in `quota`; here tasks wait for their turn, highest priority first.
"""

import asyncio
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from exporter.clock import Clock
from exporter.cloudflare.client import Exchange
from exporter.polling.quota import Pause, PauseReason, Priority, Quota, QuotaState

LONGEST_NAP_SECONDS = 1.0
"""Whoever is next looks again this often: an answer may have ended the pause sooner."""


@dataclass(frozen=True, slots=True, order=True)
class _Waiter:
    priority: Priority
    position: int
    account: str = field(compare=False)
    turn: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class Governor:
    """Admits requests of all accounts and tasks that share a token.

    `on_paused(account, reason, seconds)` hears how long an account's requests were held back.
    """

    def __init__(
        self,
        quota: Quota,
        *,
        clock: Clock,
        on_paused: Callable[[str, PauseReason, float], None],
    ) -> None:
        self._quota = quota
        self._clock = clock
        self._on_paused = on_paused
        self._positions = count()
        self._waiters: list[_Waiter] = []

    async def admit(self, account: str, priority: Priority) -> None:
        """Return when a request of this priority may be sent, which then counts as spent.

        One request must follow, whose exchange is told to `hear`, or else `forgo`.
        """
        waiter = _Waiter(priority, next(self._positions), account)
        insort(self._waiters, waiter)
        try:
            while (pause := self._pause_of(waiter)) is not None:
                await self._wait(waiter, pause)
            self._quota.spend(self._clock.monotonic())
        finally:
            self._waiters.remove(waiter)
            if self._waiters:
                self._waiters[0].turn.set()

    def forgo(self) -> None:
        """Take it back that a request was admitted: it will not be sent."""
        self._quota.forgo()

    def hear(self, exchange: Exchange) -> None:
        """Learn from an exchange with the API, good or bad."""
        now = self._clock.monotonic()
        sent_at = now - exchange.seconds
        if exchange.outcome == "429":
            self._quota.refuse(
                now,
                sent_at=sent_at,
                retry_after_seconds=exchange.retry_after_seconds,
                quota=exchange.quota,
            )
        else:
            self._quota.settle(
                now,
                sent_at=sent_at,
                answered=exchange.outcome.isdecimal(),
                quota=exchange.quota,
            )

    def state(self) -> QuotaState | None:
        """What the API last said of the quota."""
        return self._quota.state(self._clock.monotonic())

    def _pause_of(self, waiter: _Waiter) -> Pause | None:
        """Why the waiter may not go yet. Behind others, it waits for them without a reason."""
        now = self._clock.monotonic()
        if self._waiters[0] is waiter:
            return self._quota.decide(waiter.priority, now)
        return Pause(now + LONGEST_NAP_SECONDS, PauseReason.BUDGET)

    async def _wait(self, waiter: _Waiter, pause: Pause) -> None:
        began = self._clock.monotonic()
        waiter.turn.clear()
        await self._clock.wait(waiter.turn, min(pause.until - began, LONGEST_NAP_SECONDS))
        if self._waiters[0] is waiter:
            held = self._clock.monotonic() - began
            for account in {one.account for one in self._waiters}:
                self._on_paused(account, pause.reason, held)
