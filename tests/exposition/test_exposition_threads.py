"""Publishing does its heavy work off the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from exporter.exposition import Exposition
from tests.support.snapshots import snapshot_of, user_row

P = ParamSpec("P")
T = TypeVar("T")


class Counting(ThreadPoolExecutor):
    """Threads that tell how many jobs they were given."""

    jobs = 0

    def submit(self, job: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do the job as ever."""
        self.jobs += 1
        return super().submit(job, *args, **kwargs)


async def test_users_are_rendered_in_threads() -> None:
    """Deflating holds no lock of Python's, so that the loop goes on serving meanwhile."""
    executor = Counting()
    asyncio.get_running_loop().set_default_executor(executor)

    await Exposition().publish(snapshot_of(user_row("u")), changed=None)

    assert executor.jobs
