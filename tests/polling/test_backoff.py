import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    NetworkError,
    PollError,
    ServerError,
    ThrottledError,
    TimedOutError,
    TlsError,
)
from exporter.polling.backoff import Backoff

INTERVAL = 60.0
OWN = (
    BadResponseError("cut short", field="body"),
    NetworkError("reset"),
    ServerError("", status=500),
    TimedOutError(""),
)
EVERYBODYS = (
    ForbiddenError("", status=403),
    ThrottledError("", retry_after_seconds=17.0),
    TlsError(""),
)


def fail(setbacks: Backoff, user_id: str, error: PollError, *, now: float) -> float:
    """Let asking about a user fail."""
    return setbacks.note_failure(user_id, error, now=now, jitter=0.5)


@given(st.lists(st.sampled_from(OWN), min_size=1, max_size=2), st.floats(0.0, 1.0))
def test_two_broken_users_stop_nobody_else(errors: list[PollError], jitter: float) -> None:
    """They rest; whoever is next is asked about at once."""
    setbacks = Backoff(interval=INTERVAL)

    rests = [
        setbacks.note_failure(f"u{n}", error, now=100.0, jitter=jitter)
        for n, error in enumerate(errors)
    ]

    assert setbacks.resume_at <= 100.0
    assert all(INTERVAL <= seconds <= 2.0 * INTERVAL for seconds in rests)


def test_many_broken_users_stop_the_others_for_minutes_only() -> None:
    """Twenty users whose details never come must not hide the twenty-first."""
    setbacks, now = Backoff(interval=INTERVAL), 0.0

    for number in range(20):
        now = max(now, setbacks.resume_at)
        fail(setbacks, f"u{number}", TimedOutError(""), now=now)

    assert max(now, setbacks.resume_at) < 15 * 60.0


def test_an_outage_is_not_met_by_a_request_for_each_user() -> None:
    """Ten thousand wait; while nothing works, one an interval is enough."""
    setbacks, now, asked = Backoff(interval=INTERVAL), 0.0, 0

    while now < 3600.0:
        fail(setbacks, f"u{asked}", ServerError("", status=503), now=now)
        asked += 1
        now = max(now, setbacks.resume_at)

    assert asked < 75


def test_a_success_ends_the_slowness() -> None:
    """What comes next was not part of the outage."""
    setbacks = Backoff(interval=INTERVAL)
    for number in range(10):
        fail(setbacks, f"u{number}", TimedOutError(""), now=0.0)

    setbacks.note_success("u10")
    fail(setbacks, "u11", TimedOutError(""), now=1000.0)

    assert setbacks.resume_at < 1000.0


@given(st.sampled_from(EVERYBODYS), st.floats(0.0, 1.0))
def test_what_meets_everybody_stops_all_at_the_first(error: PollError, jitter: float) -> None:
    """A missing permission is missing for every user."""
    setbacks = Backoff(interval=INTERVAL)

    rests = setbacks.note_failure("ann", error, now=100.0, jitter=jitter)

    assert setbacks.resume_at == 100.0 + rests
    assert INTERVAL <= rests <= 2.0 * INTERVAL


def test_requests_that_fail_together_are_one_setback() -> None:
    """Four were on their way when the token was revoked."""
    setbacks = Backoff(interval=INTERVAL)
    error = ForbiddenError("", status=403)

    for number in range(4):
        setbacks.note_failure(f"u{number}", error, now=float(number), jitter=1.0)

    assert setbacks.resume_at == 3.0 + 2.0 * INTERVAL


def test_setbacks_one_after_the_other_wait_longer_up_to_five_intervals() -> None:
    """As every poll does."""
    setbacks, now, pauses = Backoff(interval=INTERVAL), 0.0, []

    for _ in range(5):
        seconds = setbacks.note_failure("ann", ForbiddenError("", status=403), now=now, jitter=1.0)
        pauses.append(seconds / INTERVAL)
        now = setbacks.resume_at

    assert pauses == [2.0, 4.0, 5.0, 5.0, 5.0]


def test_from_the_third_failure_in_a_row_each_delays_the_next_request_by_a_tenth_more() -> None:
    """The delay reaches one interval with the twelfth failure and stays there."""
    backoff, now, delays = Backoff(interval=INTERVAL), 100.0, []

    for number in range(14):
        fail(backoff, f"u{number}", TimedOutError(""), now=now)
        delays.append(max(backoff.resume_at - now, 0.0))
        now += INTERVAL

    tenths = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]
    assert delays == pytest.approx([INTERVAL * tenth / 10 for tenth in tenths])


def test_a_user_who_fails_again_waits_longer() -> None:
    """The wait grows for this user alone."""
    backoff = Backoff(interval=INTERVAL)
    backoff.note_failure("ann", TimedOutError(""), now=0.0, jitter=1.0)

    waits = [
        backoff.note_failure(user_id, TimedOutError(""), now=200.0, jitter=1.0)
        for user_id in ("ann", "bob")
    ]

    assert waits == [4.0 * INTERVAL, 2.0 * INTERVAL]


def test_a_success_forgets_the_earlier_failures_of_its_user() -> None:
    """The next failure is a first one."""
    backoff = Backoff(interval=INTERVAL)
    backoff.note_failure("ann", TimedOutError(""), now=0.0, jitter=1.0)

    backoff.note_success("ann")

    wait = backoff.note_failure("ann", TimedOutError(""), now=200.0, jitter=1.0)
    assert wait == 2.0 * INTERVAL


def test_a_success_between_two_pauses_makes_the_second_a_first_one() -> None:
    """Pauses grow only while nothing succeeds."""
    backoff = Backoff(interval=INTERVAL)
    error = ForbiddenError("", status=403)
    backoff.note_failure("ann", error, now=0.0, jitter=1.0)

    backoff.note_success("bob")

    assert backoff.note_failure("ann", error, now=1000.0, jitter=1.0) == 2.0 * INTERVAL


def test_a_later_failure_does_not_shorten_a_pause() -> None:
    """A request that was on its way may fail with a shorter delay than the API demanded."""
    backoff = Backoff(interval=INTERVAL)
    fail(backoff, "ann", ThrottledError("", retry_after_seconds=900.0), now=0.0)

    for number in range(3):
        fail(backoff, f"u{number}", TimedOutError(""), now=1.0)

    assert backoff.resume_at == 900.0
