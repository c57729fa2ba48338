"""A clock that goes only when a test says so."""

import asyncio


class ManualClock:
    """Both instants start at `now` and move by `advance` alone."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Unix seconds."""
        return self.now

    def monotonic(self) -> float:
        """The same number."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by `seconds`; at the next turn where that is none."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, sleeper))
        await sleeper

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for `event` until the clock was advanced by `seconds`; whether it is set."""
        waiters = [asyncio.create_task(event.wait()), asyncio.create_task(self.sleep(seconds))]
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let time pass; whoever slept long enough wakes at the next turn of the loop."""
        self.now += seconds
        for until, sleeper in self._sleepers:
            if until <= self.now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [each for each in self._sleepers if not each[1].done()]
