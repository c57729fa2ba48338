"""Time that passes only while nothing else happens, for tests of what takes hours.

`in_fake_time` runs a test on an event loop of its own whose time stands still while callbacks
run, bytes arrive or threads work, and otherwise jumps to the next timer. Everything on the loop
lives in that time, aiohttp's time limits included, over real sockets of loopback.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

EPOCH = 1_700_000_000.0
"""Unix seconds when a fake loop's time is zero."""

_GRACE_SECONDS = 0.003
_LONG_JUMP_SECONDS = 0.2
"""Loopback delivers at once. A jump that could end a time limit waits some real milliseconds for
bytes all the same, should the kernel have been too busy."""

_JOB_SECONDS = 1.0
"""Real seconds after which the loop looks again whether a thread still works."""


class LoopClock:
    """The running loop's own time as a `Clock`; `set_back` is for those who mend real clocks."""

    def __init__(self) -> None:
        self._offset = EPOCH

    def time(self) -> float:
        """Unix seconds."""
        return self._offset + self.monotonic()

    def monotonic(self) -> float:
        """The loop's own seconds."""
        return asyncio.get_running_loop().time()

    def set_back(self, seconds: float) -> None:
        """Set the Unix time back; below zero, forward."""
        self._offset -= seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(max(seconds, 0.0))

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait on the loop."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await event.wait()
        except TimeoutError:
            return False
        return True


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps over all idle waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs = 0
        super().__init__(_IdleSelector(self))

    def time(self) -> float:
        """Seconds since the loop was made, as far as they were worth living through."""
        return self.now

    def run_in_executor(
        self, executor: object, func: Callable[..., T], *args: object
    ) -> asyncio.Future[T]:
        """Let a thread work, and time stand still meanwhile."""
        self.jobs += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)  # type: ignore[arg-type]
        future.add_done_callback(self._end_job)
        return future

    def _end_job(self, _: asyncio.Future[T]) -> None:
        self.jobs -= 1


class _IdleSelector(selectors.DefaultSelector):
    """Waits for bytes that are really on their way, and jumps over the rest of the time."""

    def __init__(self, loop: FakeTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0.0:
            return super().select(timeout)
        if self._loop.jobs:
            return super().select(_JOB_SECONDS)
        events = super().select(_GRACE_SECONDS if timeout > _LONG_JUMP_SECONDS else 0.0)
        if not events:
            self._loop.now += timeout
        return events


def in_fake_time(test: Callable[P, Coroutine[object, object, T]]) -> Callable[P, T]:
    """Make a coroutine function one that runs in fake time and returns when it has ended."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
            return runner.run(test(*args, **kwargs))

    return run
