"""A real server as a child process: started, waited for, stopped, its log kept."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import httpx

_Value = TypeVar("_Value")

# Long enough for a busy machine: these end a test that hangs, and decide nothing else.
_READY_SECONDS = 120.0
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


def free_port() -> int:
    """A TCP port of 127.0.0.1 nobody listens on now; another may take it before you do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def until(
    read: Callable[[], Awaitable[_Value]],
    holds: Callable[[_Value], bool],
    *,
    within_seconds: float = _READY_SECONDS,
) -> _Value:
    """Read again and again until it `holds`; that value, or an AssertionError with the last one.

    For what another program does in its own time, which no test can be the clock of.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while True:
        value = await read()
        if holds(value):
            return value
        assert loop.time() < deadline, f"not within {within_seconds:g} s; last seen: {value!r}"
        await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def run_program(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready_url: str,
    within_seconds: float = _READY_SECONDS,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `command` until the block ends, entered once `ready_url` answers 200.

    What it says on either stream is appended to `log`. Ended by SIGTERM, after half a minute by
    SIGKILL. Where it ends too early, or is not ready in time, an AssertionError shows the log.
    """
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    try:
        try:
            await _until_ready(process, ready_url, within_seconds)
        except AssertionError as error:
            raise AssertionError(f"{command[0]}: {error}\n{_end_of(log)}") from error
        yield process
    finally:
        await _stop(process)


async def _until_ready(
    process: asyncio.subprocess.Process, url: str, within_seconds: float
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def is_ready() -> bool:
            assert process.returncode is None, f"ended with status {process.returncode}"
            try:
                return (await client.get(url)).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        await until(is_ready, bool, within_seconds=within_seconds)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]
