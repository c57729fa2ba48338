"""Doing a poll again and again, as `schedule` says."""

from collections.abc import Awaitable, Callable
from typing import Never

from exporter.clock import Clock
from exporter.errors import PollError
from exporter.polling.schedule import delay_after_failure, delay_after_success


async def repeat(
    poll: Callable[[], Awaitable[PollError | None]],
    *,
    interval: float,
    clock: Clock,
    jitter: Callable[[], float],
    on_due: Callable[[float], None] = lambda _: None,
) -> Never:
    """Poll for ever, one poll at a time; what `poll` returns is why it failed.

    `jitter` gives a number from 0 to 1, another one each time. `on_due` gets the instant of each
    next poll, by the monotonic clock.
    """
    failures = 0
    while True:
        began = clock.monotonic()
        error = await poll()
        if error is None:
            failures = 0
            delay = delay_after_success(interval, elapsed=clock.monotonic() - began)
        else:
            failures += 1
            delay = delay_after_failure(failures, error, interval=interval, jitter=jitter())
        on_due(clock.monotonic() + delay)
        await clock.sleep(delay)
