"""Where work that can wait finds out that a scrape cannot.

Scrapes pass through the gate; polling asks at it between pieces of work. Neither knows the
other. Nothing here is refused or queued.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.clock import Clock

REST_SECONDS = 1.0
"""Scrapes that follow each other closer than this are one busy time."""


class ScrapeGate:
    """Which scrapes are being sent now, and a way to let them go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle = asyncio.Event()
        self._idle.set()
        self._in_progress = 0
        self._busy_since = self._idle_since = float("-inf")

    @property
    def in_progress(self) -> int:
        """How many scrapes are being sent now."""
        return self._in_progress

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count one scrape as being sent until the block ends, however it ends."""
        now = self._clock.monotonic()
        if not self._in_progress and now - self._idle_since >= REST_SECONDS:
            self._busy_since = now
        self._in_progress += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_progress -= 1
            if not self._in_progress:
                self._idle_since = self._clock.monotonic()
                self._idle.set()

    async def idle(self, *, max_seconds: float = 2.0) -> None:
        """Give the loop back once, and wait until no scrape is being sent.

        A busy time is waited for no longer than `max_seconds` from its beginning, by all who
        ask together: scrapes without end, or one slow reader, delay work that much and no more.
        """
        await asyncio.sleep(0)
        if self._in_progress:
            left = self._busy_since + max_seconds - self._clock.monotonic()
            if left > 0:
                await self._clock.wait(self._idle, left)
