"""One thread that does blocking work in the order it was asked for, and nothing else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """A thread of our own: a slow disk must not hold up those who share the loop's default pool.

    Work that was handed over runs to its end. Cancelling the task that awaits it only gives up
    on the outcome; and a process that ends without `close` still lets it finish.

    `resources` is for what the work leaves open; only work may touch it.
    """

    def __init__(self, name: str) -> None:
        self.resources = ExitStack()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._is_closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` after all that was handed over before, and give or raise what it does.

        Raises RuntimeError once closed.
        """
        outcome = asyncio.get_running_loop().run_in_executor(self._executor, work)
        outcome.add_done_callback(_retrieve)
        await asyncio.wait((outcome,))  # `await outcome` would pass a cancellation on to the work
        return outcome.result()

    def add(self, chore: Callable[[], None]) -> None:
        """Do this too, after all that was handed over before; nobody awaits it.

        Once closed, a chore is left undone.
        """
        if not self._is_closed:
            self._executor.submit(chore)

    async def close(self) -> None:
        """Close the resources after all work, and end the thread. Twice does no harm."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self.run(self.resources.close)
        finally:
            self._executor.shutdown(wait=False)  # what was handed over is done all the same


def _retrieve(outcome: asyncio.Future[T]) -> None:
    """Look at the error nobody may be left to await, or asyncio reports it as forgotten."""
    if not outcome.cancelled():
        outcome.exception()
