"""Time, as a value that can be passed in.

Nothing above reads the time or waits in any other way, so that a test can be its own clock.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the time is, and how to wait."""

    def time(self) -> float:
        """Unix seconds now; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at the next turn of the loop where that is zero or less."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for `event`, at most `seconds`; whether it is set."""
        ...


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Unix seconds now."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(seconds, 0.0))

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait on the running event loop."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await event.wait()
        except TimeoutError:
            return False
        return True


def to_unix_time(instant: float, clock: Clock) -> float:
    """Return an instant of the monotonic clock as a Unix timestamp."""
    return clock.time() + instant - clock.monotonic()
