"""Long work in steps."""

import asyncio

import pytest

from exporter.chunked import Chunked, in_chunks, run_chunked, run_sync


def counting_to(end: int, done: list[int]) -> Chunked[str]:
    """Work that shows how far it got."""
    for number in range(end):
        done.append(number)
        yield
    return "finished"


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_all_at_once_is_all_of_it(steps: int) -> None:
    """Who has no loop to share gets the same result."""
    done: list[int] = []

    result = run_sync(counting_to(steps, done))

    assert result == "finished"
    assert done == list(range(steps))


async def test_others_have_their_turn_between_two_steps() -> None:
    """That is what the steps are for."""
    done: list[int] = []
    seen_by_others: list[int] = []

    async def pause() -> None:
        seen_by_others.append(len(done))

    result = await run_chunked(counting_to(3, done), pause)

    assert result == "finished"
    assert seen_by_others == [1, 2, 3]


async def test_work_that_is_cancelled_is_done_all_the_same() -> None:
    """A ledger half moved would miscount for ever."""
    done: list[int] = []
    resting = asyncio.Event()

    async def pause() -> None:
        resting.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(run_chunked(counting_to(5, done), pause))
    await resting.wait()
    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working
    assert done == [0, 1, 2, 3, 4]


async def test_an_error_in_a_step_ends_the_work() -> None:
    """A bug must reach whoever started the work, and not be tried again."""

    def failing() -> Chunked[None]:
        yield
        raise ZeroDivisionError

    async def pause() -> None:
        """Nobody else wants a turn."""

    with pytest.raises(ZeroDivisionError):
        await run_chunked(failing(), pause)


def test_slices_hold_everything_in_order() -> None:
    """The last one may be shorter, and none is empty."""
    assert list(in_chunks(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(in_chunks((), 2)) == []
