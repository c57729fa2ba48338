"""The product's own command as a child process, as a user runs it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

# Long enough for a busy machine: these end a test that hangs, and decide nothing else.
_READY_SECONDS = 120.0
_STOP_SECONDS = 60.0

_ASSIGNMENT = re.compile(r"(?P<name>[A-Z_]+)=(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


class Running:
    """A command that goes on until it is asked to end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def read_until(self, beginning: str) -> str:
        """Return the next line of its output with that beginning; every line is kept in `lines`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_SECONDS):
            while line := (await self._process.stdout.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if line.startswith(beginning):
                    return self.lines[-1]
        raise AssertionError(f"ended before a line with {beginning!r}: {self.lines}")

    @property
    def assignments(self) -> Mapping[str, str]:
        """The shell assignments it has printed."""
        found = filter(None, map(_ASSIGNMENT.fullmatch, self.lines))
        return {match["name"]: match["value"] for match in found}

    def send(self, what: signal.Signals) -> None:
        """Send it a signal and go on."""
        self._process.send_signal(what)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> Ending:
        """Send a signal, systemd's by default, and return how the command ended."""
        if self._process.returncode is None:
            self._process.send_signal(how)
        async with asyncio.timeout(_STOP_SECONDS):
            return await _end_of(self._process)


@asynccontextmanager
async def running_command(*arguments: str, **environ: str) -> AsyncIterator[Running]:
    """Run a command in the background with nothing in its environment but `environ`."""
    process = await _start(arguments, environ)
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run_command(*arguments: str, **environ: str) -> Ending:
    """Run a command to its end with nothing in its environment but `environ`."""
    process = await _start(arguments, environ)
    async with asyncio.timeout(_READY_SECONDS):
        return await _end_of(process)


async def run_in_shell(line: str, **environ: str) -> Ending:
    """Run a line of bash to its end; in it `$EXPORTER` is the command.

    The status is that of the first part of a pipeline that failed.
    """
    process = await asyncio.create_subprocess_exec(
        *("/bin/bash", "-o", "pipefail", "-c", line),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "EXPORTER": f"{sys.executable} -m exporter", **environ},
    )
    async with asyncio.timeout(_READY_SECONDS):
        return await _end_of(process)


async def _start(
    arguments: tuple[str, ...], environ: Mapping[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **environ},
    )


async def _end_of(process: asyncio.subprocess.Process) -> Ending:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ending(process.returncode, out.decode(), err.decode())
