"""`serve` with a watch on its event loop: `python -m bench.watched FILE`.

A line is added to FILE as soon as `/metrics` answers, and at each SIGUSR1 from then on: the
longest hold of the loop since the line before, or since the start, in milliseconds of CPU.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Never

from exporter.app.serving import serve
from exporter.cli.running import run
from exporter.logs import configure_logging
from exporter.settings import load_settings

_WAKE_SECONDS = 0.001


class _Watch:
    """Wants a turn every millisecond, and notes how much CPU the loop's thread used before it.

    That is more than the longest turn by up to a millisecond of others, never less.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._longest = 0.0
        self._began = time.thread_time()

    async def run(self) -> Never:
        """Watch for ever."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.tell)
        while True:
            self._note()
            await asyncio.sleep(_WAKE_SECONDS)

    def tell(self) -> None:
        """Add a line, and begin anew: a turn that goes on is told in two parts."""
        self._note()
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{self._longest * 1e3:.3f}\n")
        self._longest = 0.0

    def _note(self) -> None:
        """End what is seen as one turn, and begin the next."""
        now = time.thread_time()
        self._longest = max(self._longest, now - self._began)
        self._began = now


async def _serve(path: Path) -> None:
    settings = load_settings(flags={}, environ=os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    async with asyncio.TaskGroup() as tasks:
        watch = _Watch(path)
        watching = tasks.create_task(watch.run())
        await serve(settings, on_ready=lambda _: watch.tell())
        watching.cancel()


def main() -> None:
    """Serve until told to stop."""
    run(_serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
