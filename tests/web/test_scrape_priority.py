import asyncio
from contextlib import suppress

from exporter.scrape_priority import QUIET_SECONDS, ScrapePriority
from tests.support.manual_clock import ManualClock


async def turns(count: int = 10) -> None:
    """Let everything run that can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_work_goes_on_at_once_where_nobody_scrapes() -> None:
    """Giving way must cost nothing between scrapes, which is nearly always."""
    await ScrapePriority(ManualClock()).yield_to_scrapes()


async def test_work_waits_until_the_last_scrape_is_sent() -> None:
    """Two scrapes at once are one busy time."""
    priority = ScrapePriority(ManualClock())
    async with asyncio.TaskGroup() as group:
        with priority.sending():
            with priority.sending():
                work = group.create_task(priority.yield_to_scrapes())
                await turns()
            await turns()
            assert priority.in_progress == 1
            assert not work.done()


async def test_work_waits_for_two_seconds_and_no_longer() -> None:
    """A slow reader must not hold back a poll."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    async with asyncio.TaskGroup() as group:
        with priority.sending():
            work = group.create_task(priority.yield_to_scrapes())
            await turns()
            clock.advance(1.9)
            await turns()
            assert not work.done()
            clock.advance(0.2)
            await work


async def test_a_busy_time_is_waited_for_once_by_many_pieces_of_work() -> None:
    """Publishing asks hundreds of times; two seconds each would be forever."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    with priority.sending():
        clock.advance(2.0)
        for _ in range(100):
            await priority.yield_to_scrapes()


async def test_scrapes_on_each_other_s_heels_are_one_busy_time() -> None:
    """Scrapes without end, with gaps too short to work in, must not starve the polls."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    for _ in range(30):
        with priority.sending():
            clock.advance(0.1)
    with priority.sending():
        await priority.yield_to_scrapes()


async def test_a_stuck_reader_takes_no_way_from_the_scrapes_after_it() -> None:
    """It may keep its place for a minute, in which others scrape and expect to be quick."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    async with asyncio.TaskGroup() as group:
        with priority.sending():
            clock.advance(2.0 + QUIET_SECONDS)
            with priority.sending():
                work = group.create_task(priority.yield_to_scrapes())
                await turns()
                assert not work.done()
            await turns()
            assert work.done()


async def test_scrapes_on_the_heels_of_a_stuck_one_s_time_do_not_prolong_it() -> None:
    """Or readers who are stuck by turns, and whoever comes between, would starve the polls."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    with priority.sending():
        clock.advance(2.0 + QUIET_SECONDS / 2)
        with priority.sending():
            await priority.yield_to_scrapes()


async def test_a_stuck_reader_who_leaves_at_last_was_not_given_way_to_until_then() -> None:
    """The rest of the priority is counted from when work went on, not from when they hung up."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    async with asyncio.TaskGroup() as group:
        with priority.sending():
            clock.advance(2.0 + QUIET_SECONDS)
        with priority.sending():
            work = group.create_task(priority.yield_to_scrapes())
            await turns()
            assert not work.done()


async def test_a_scrape_after_a_rest_is_given_way_again() -> None:
    """The bound is on each busy time, not on the exporter's life."""
    clock = ManualClock()
    priority = ScrapePriority(clock)
    with priority.sending():
        clock.advance(5.0)
    clock.advance(QUIET_SECONDS)
    async with asyncio.TaskGroup() as group:
        with priority.sending():
            work = group.create_task(priority.yield_to_scrapes())
            await turns()
            assert not work.done()


async def test_a_scrape_that_fails_is_not_counted_any_more() -> None:
    """A reader who hangs up must not close the priority for good."""
    priority = ScrapePriority(ManualClock())
    with suppress(ConnectionResetError), priority.sending():
        raise ConnectionResetError
    assert priority.in_progress == 0
    await priority.yield_to_scrapes()
