"""Runs a command's coroutine, on uvloop where that is installed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TypeVar

from exporter.errors import ExporterError

_Result = TypeVar("_Result")

_new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with suppress(ImportError):
    import uvloop

    _new_loop = uvloop.new_event_loop


def run(coroutine: Coroutine[None, None, _Result]) -> _Result:
    """Run `coroutine` on an event loop of its own to its end.

    Where task groups end by nothing but ExporterErrors, the first of them is raised alone: its
    message is all that the user needs. Any other group is a bug and stays whole.
    """
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(coroutine)
    except ExceptionGroup as group:
        expected, others = group.split(ExporterError)
        if expected is None or others is not None:
            raise
        raise _first(expected) from group


def _first(group: ExceptionGroup[ExporterError]) -> ExporterError:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, ExceptionGroup) else one
