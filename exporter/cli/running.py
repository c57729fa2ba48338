"""Runs the coroutine of a command, and ends the process if stopping takes too long."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from exporter.errors import ExporterError

STOP_SECONDS = 9.0
"""Supervisors kill a process that has not ended ten seconds after SIGTERM."""

_Result = TypeVar("_Result")

_new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with suppress(ImportError):
    import uvloop

    _new_loop = uvloop.new_event_loop


def run(coroutine: Coroutine[None, None, _Result]) -> _Result:
    """Return the result of `coroutine`, run on an event loop of its own.

    If task groups end with ExporterErrors only, the first of these is raised instead of the
    group, because its message is all that a user needs. Any other group is a bug and is raised
    unchanged.
    """
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(coroutine)
    except ExceptionGroup as group:
        expected, others = group.split(ExporterError)
        if expected is None or others is not None:
            raise
        raise _first(expected) from group


def ending_status(ended_by: signal.Signals) -> int:
    """Return the exit status of a command that runs until a signal.

    0 after SIGTERM, with which supervisors stop a service; 130 after Ctrl-C, as in shells, so
    that a script around the command stops, too.
    """
    return 0 if ended_by is signal.SIGTERM else 128 + ended_by


@contextmanager
def stop_deadline(seconds: float = STOP_SECONDS) -> Iterator[Callable[[], None]]:
    """Yield a function that starts a deadline, at which the process ends with status 1.

    A thread watches it, because the event loop itself may hang, for example on a disk. The state
    file is written so that a process can end at any instant without losing anything.
    """
    timer = threading.Timer(seconds, _end_now)
    timer.daemon = True

    def start() -> None:
        with suppress(RuntimeError):  # started already
            timer.start()

    try:
        yield start
    finally:
        timer.cancel()


def _end_now() -> None:
    os.write(2, b"cloudflare-risk-exporter: stopping takes too long; ending at once\n")
    os._exit(1)


def _first(group: ExceptionGroup[ExporterError]) -> ExporterError:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, ExceptionGroup) else one
