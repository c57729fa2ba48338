"""Let scrapes run before polling.

The web server counts the scrapes being sent; polling waits for them between chunks of work.
Nothing is rejected or queued.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.clock import Clock

MAX_SECONDS = 2.0
"""The longest time for which work waits for scrapes, from the beginning of the busy period."""

QUIET_SECONDS = 1.0
"""Scrapes that follow each other within this time form one busy period."""


class ScrapePriority:
    """The scrapes being sent now, and a way to wait for them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: list[float] = []  # when each scrape being sent began, in that order
        self._busy_since = self._yielded_until = float("-inf")
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def in_progress(self) -> int:
        """How many scrapes are being sent now."""
        return len(self._begun)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count one scrape as being sent until the block ends."""
        begun = self._clock.monotonic()
        if begun - self._last_scrape_at(begun) >= QUIET_SECONDS:
            self._busy_since = begun
        self._begun.append(begun)
        self._quiet.clear()
        try:
            yield
        finally:
            self._yielded_until = self._last_scrape_at(self._clock.monotonic())
            self._begun.remove(begun)
            # A scrape that began before this busy period is stuck.
            if not self._begun or self._begun[-1] < self._busy_since:
                self._quiet.set()

    async def yield_to_scrapes(self) -> None:
        """Yield to the event loop once, then wait until no scrape is being sent that is not stuck.

        The wait ends `MAX_SECONDS` after the beginning of a busy period, for all callers together.
        Endless scrapes or one slow reader therefore delay work by that much at most. A reader
        slower than that does not count in later busy periods.
        """
        await asyncio.sleep(0)
        if not self._quiet.is_set():
            left = self._busy_since + MAX_SECONDS - self._clock.monotonic()
            if left > 0:
                await self._clock.wait(self._quiet, left)

    def _last_scrape_at(self, now: float) -> float:
        """Return when a scrape that counts was last being sent; `now` if one is."""
        return max((self._yielded_until, *(min(begun + MAX_SECONDS, now) for begun in self._begun)))
