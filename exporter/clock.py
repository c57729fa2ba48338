"""The clock that is passed to everything that reads the time or waits.

No other module reads the time or sleeps, so that tests can control both.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Reads the time and waits."""

    def time(self) -> float:
        """Return Unix seconds, which jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds since a fixed instant; they never decrease."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`; if not positive, yield to the event loop once."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for `event` for at most `seconds`; return whether it is set."""
        ...


class SystemClock:
    """The system clock and the running event loop."""

    def time(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since a fixed instant."""
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
