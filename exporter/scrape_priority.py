"""Where work that can wait finds out that a scrape cannot.

Scrapes pass through the gate; polling asks at it between pieces of work. Neither knows the
other. Nothing here is refused or queued.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.clock import Clock

MAX_SECONDS = 2.0
"""A scrape is given way to for no longer than this from its beginning."""

REST_SECONDS = 1.0
"""Scrapes that are given way to at a smaller distance than this are one busy time."""


class ScrapePriority:
    """Which scrapes are being sent now, and a way to let them go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: list[float] = []  # when each scrape being sent began, in that order
        self._busy_since = self._gave_way = float("-inf")
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def in_progress(self) -> int:
        """How many scrapes are being sent now."""
        return len(self._begun)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count one scrape as being sent until the block ends, however it ends."""
        begun = self._clock.monotonic()
        if begun - self._last_gave_way(begun) >= REST_SECONDS:
            self._busy_since = begun
        self._begun.append(begun)
        self._quiet.clear()
        try:
            yield
        finally:
            self._gave_way = self._last_gave_way(self._clock.monotonic())
            self._begun.remove(begun)
            # Whoever is left from before this busy time is stuck.
            if not self._begun or self._begun[-1] < self._busy_since:
                self._quiet.set()

    async def yield_to_scrapes(self) -> None:
        """Give the loop back once, and wait until no scrape is being sent that is not stuck.

        A busy time is waited for no longer than `MAX_SECONDS` from its beginning, by all who ask
        together: scrapes without end, or one slow reader, delay work that much and no more. A
        reader slower than that is no part of later busy times.
        """
        await asyncio.sleep(0)
        if not self._quiet.is_set():
            left = self._busy_since + MAX_SECONDS - self._clock.monotonic()
            if left > 0:
                await self._clock.wait(self._quiet, left)

    def _last_gave_way(self, now: float) -> float:
        """When there was last a scrape to give way to; `now` where there is one."""
        return max((self._gave_way, *(min(begun + MAX_SECONDS, now) for begun in self._begun)))
