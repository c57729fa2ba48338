"""The laws of how a command's coroutine ends."""

import asyncio

import pytest

from exporter.cli.running import run
from exporter.errors import ConfigurationError, ExporterError, StateError


async def fail_together(*errors: Exception) -> None:
    """Raise `errors` inside two task groups."""

    async def fail(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
        for error in errors:
            inner.create_task(fail(error))
        outer.create_task(asyncio.sleep(0))


def test_what_a_coroutine_returns_is_returned() -> None:
    """A command's result is a value."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert run(answer()) == 42


def test_an_expected_error_leaves_its_task_groups_behind() -> None:
    """The user needs its message, not the story of our tasks."""
    with pytest.raises(StateError, match="in use"):
        run(fail_together(StateError("in use")))


def test_of_several_expected_errors_the_first_is_told() -> None:
    """They nearly always have one cause."""
    with pytest.raises(ExporterError):
        run(fail_together(StateError("in use"), ConfigurationError("wrong")))


def test_a_bug_stays_whole() -> None:
    """Its traceback is evidence, and what happened beside it too."""
    with pytest.raises(ExceptionGroup):
        run(fail_together(StateError("in use"), ZeroDivisionError()))
