import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import (
    ForbiddenError,
    NetworkError,
    PollError,
    ServerError,
    ThrottledError,
    TimedOutError,
    UnauthorizedError,
)
from exporter.polling.backoff import (
    delay_after_failure,
    delay_after_stale_answer,
    delay_after_success,
    repeat,
    start_delay,
)
from tests.support.clock import LoopClock, in_fake_time

fractions = st.floats(0.0, 1.0)
intervals = st.floats(1.0, 3600.0)


@given(interval=intervals, elapsed=st.floats(0.0, 1e6))
def test_polls_start_on_a_grid_and_never_stack(interval: float, elapsed: float) -> None:
    """A slow answer, or a machine that slept, leaves turns out; it does not make them up."""
    delay = delay_after_success(interval, elapsed=elapsed)

    assert 0.0 <= delay <= interval * (1.0 + 1e-9) + elapsed * 1e-9
    turns = (elapsed + delay) / interval
    assert turns == pytest.approx(round(turns))


@given(failures=st.integers(1, 10_000), interval=intervals, jitter=fractions)
def test_a_failed_poll_waits_from_one_interval_to_five(
    failures: int, interval: float, jitter: float
) -> None:
    """However long it has failed, it is tried again soon enough for the data not to grow old."""
    delay = delay_after_failure(
        failures, ServerError("", status=500), interval=interval, jitter=jitter
    )

    assert interval <= delay <= 5.0 * interval


@pytest.mark.parametrize(("failures", "longest"), [(1, 20.0), (2, 40.0), (3, 50.0), (4, 50.0)])
def test_the_bound_doubles_with_each_failure(failures: int, longest: float) -> None:
    """One lost connection is not an outage."""
    error = NetworkError("")

    delays = [
        delay_after_failure(failures, error, interval=10.0, jitter=j) for j in (0.0, 0.5, 1.0)
    ]

    assert delays == [10.0, (10.0 + longest) / 2, longest]


@given(seconds=st.floats(0.0, 1e6), jitter=fractions)
def test_what_the_api_says_is_honoured_in_full(seconds: float, jitter: float) -> None:
    """Even where it is longer than any backoff of ours."""
    error = ThrottledError("", retry_after_seconds=seconds)

    assert delay_after_failure(1, error, interval=10.0, jitter=jitter) >= seconds


@pytest.mark.parametrize(
    ("error", "shortest"),
    [
        (UnauthorizedError("", status=401), 60.0),
        (ForbiddenError("", status=403), 60.0),
        (TimedOutError(""), 2.0),
        (ThrottledError(""), 2.0),
    ],
)
def test_a_refused_token_rests_for_a_minute(error: PollError, shortest: float) -> None:
    """Showing a bad token every few seconds is how tokens get blocked."""
    assert delay_after_failure(1, error, interval=2.0, jitter=0.0) == shortest


def test_a_stale_answer_is_asked_again_soon_and_then_later() -> None:
    """Details may lag behind the summary for a moment, or for good."""
    delays = [delay_after_stale_answer(answers, interval=60.0) for answers in (1, 2, 3, 4)]

    assert delays == [15.0, 60.0, 240.0, 240.0]


@given(count=st.integers(1, 200), interval=intervals)
def test_accounts_start_spread_over_one_interval(count: int, interval: float) -> None:
    """A hundred accounts at once would be a burst each minute, for ever."""
    delays = [start_delay(position, count, interval=interval) for position in range(count)]

    assert delays[0] == 0.0
    assert all(0.0 <= delay < interval for delay in delays)
    gaps = [after - before for before, after in pairwise(delays)]
    assert all(gap == pytest.approx(interval / count) for gap in gaps)


async def instants_of(
    polls: Iterable[tuple[float, PollError | None]],
) -> tuple[list[float], list[float]]:
    """Repeat polls that take so many seconds and fail so; return when they began and were due.

    The interval is 10 seconds, and the jitter the largest.
    """
    clock, remaining, ended = LoopClock(), iter(polls), asyncio.Event()
    began: list[float] = []
    due: list[float] = []

    async def poll() -> PollError | None:
        began.append(clock.monotonic())
        step = next(remaining, None)
        if step is None:
            ended.set()
            return None
        seconds, error = step
        await clock.sleep(seconds)
        return error

    loop = asyncio.ensure_future(
        repeat(poll, interval=10.0, clock=clock, jitter=lambda: 1.0, on_due=due.append)
    )
    await ended.wait()
    loop.cancel()
    return began, due[: len(began) - 1]


@in_fake_time
async def test_the_time_a_poll_takes_does_not_delay_the_next() -> None:
    """Polls begin ten seconds apart, or twenty after one of more than ten seconds."""
    began, _ = await instants_of([(1.0, None), (9.5, None), (12.0, None)])

    assert began == [0.0, 10.0, 20.0, 40.0]


@in_fake_time
async def test_each_failure_in_a_row_delays_the_next_poll_for_longer_until_one_succeeds() -> None:
    """The delay begins when the poll has ended."""
    error = NetworkError("")

    began, _ = await instants_of([(1.0, error), (1.0, error), (0.0, None), (0.0, error)])

    assert began == [0.0, 21.0, 62.0, 72.0, 92.0]


@in_fake_time
async def test_the_instant_of_the_next_poll_is_reported_while_it_is_awaited() -> None:
    """A restarted poller goes on from there."""
    began, due = await instants_of([(1.0, None), (3.0, NetworkError(""))])

    assert due == began[1:]
