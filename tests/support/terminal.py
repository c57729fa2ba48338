"""The product's own command at a terminal, where somebody types."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Screen:
    """How a command ended, and everything the terminal got to show."""

    status: int
    shown: str


async def run_at_terminal(
    *arguments: str, typed: str = "", interrupted_at: str | None = None, **environ: str
) -> Screen:
    """Run a command with all three streams on one terminal; `typed` lies ready to be read.

    Once the terminal shows the text `interrupted_at`, the command gets what Ctrl-C sends.
    """
    terminal, end = pty.openpty()
    try:
        os.write(terminal, typed.encode())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "exporter", *arguments),
            stdin=end,
            stdout=end,
            stderr=end,
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "TERM": "xterm", **environ},
        )
        os.close(end)

        def interrupt() -> None:
            os.kill(process.pid, signal.SIGINT)

        reading = asyncio.create_task(
            asyncio.to_thread(_read_all, terminal, interrupted_at, interrupt)
        )
        if not (await asyncio.wait([reading], timeout=_SECONDS))[0]:
            process.kill()  # which ends the reading, too
        return Screen(await process.wait(), await reading)
    finally:
        os.close(terminal)


def _read_all(terminal: int, awaited: str | None, interrupt: Callable[[], None]) -> str:
    """Read until every process has let go of the terminal, which Linux tells as an error."""
    read = bytearray()
    while True:
        try:
            read += os.read(terminal, 4096)
        except OSError:
            return read.decode()
        if awaited is not None and awaited in read.decode(errors="replace"):
            awaited = None
            interrupt()
