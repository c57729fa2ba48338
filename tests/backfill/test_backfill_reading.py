"""Reading an account from the API, with a clock that the tests advance."""

import pytest

from exporter.errors import ConfigurationError
from exporter.simulator import Scenario
from tests.support.clock import LoopClock, in_fake_time
from tests.support.past import read_simulated_past
from tests.support.simulator import (
    ADA,
    BOB,
    Talk,
    still_account,
    still_scenario,
    talk_to_simulator,
)

BOTH = {("imp_travel", "high"): 1, ("high_dlp", "low"): 1}


def crowd(users: int, **keys: object) -> Scenario:
    """Return a scenario with that many users, all of them listed."""
    levels = {"low": 1.0, "medium": 0.0, "high": 0.0}
    account = still_account(users=users, named_users=[], levels=levels)
    return still_scenario(accounts=[account], **keys)


async def true_totals(talk: Talk) -> dict[tuple[str, ...], int]:
    """Return the number of events at the start, by behavior and level."""
    truth = await talk.truth()
    return {(one.behavior, one.risk_level): one.initial for one in truth.totals if one.initial}


@in_fake_time
async def test_the_totals_are_the_events_the_api_holds() -> None:
    """Events of every listed user count, however their fields are spelled."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(50), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
        assert past.totals == await true_totals(talk)
    assert past.reading.problems == ()


@in_fake_time
async def test_progress_is_reported_for_every_user() -> None:
    """Reading may take an hour."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(50), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
    assert past.progress.users == past.progress.asked != {}


@in_fake_time
async def test_requests_stay_within_the_share_of_the_quota() -> None:
    """People, tools and an exporter use the same quota."""
    clock = LoopClock()
    scenario = crowd(120, quota={"requests": 40, "window": 60.0})
    async with talk_to_simulator(scenario, clock=clock) as talk:
        await read_simulated_past(talk, clock=clock, api_share="0.5")
        log = await talk.log()
    assert log.count(status=429) == 0
    assert log.count() == 122
    assert clock.monotonic() >= 120 / 20 * 60 - 60


@in_fake_time
async def test_a_429_is_waited_out_and_no_user_is_missing() -> None:
    """Other clients may use up the quota at any time."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(20), clock=clock) as talk:
        await talk.order("faults", kind="throttle", retry_after=120, count=3)
        past = await read_simulated_past(talk, clock=clock)
        assert past.totals == await true_totals(talk)
    assert past.reading.problems == ()
    assert clock.monotonic() >= 120


@pytest.mark.parametrize("kind", ["error", "html", "drop", "truncate", "malformed"])
@in_fake_time
async def test_a_transient_failure_is_retried(kind: str) -> None:
    """Each request is sent up to three times."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind=kind, count=2)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == BOTH
    assert past.reading.problems == ()


@in_fake_time
async def test_unreadable_users_are_reported_and_the_others_are_read() -> None:
    """One user whom the API cannot return must not cost hours of reading."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(6), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=400, count=2)
        past = await read_simulated_past(talk, clock=clock)
        truth = await true_totals(talk)
    assert past.reading.problems == ("2 users not read (bad_response)",)
    assert 0 < sum(past.totals.values()) < sum(truth.values())


@in_fake_time
async def test_an_outage_stops_the_reading() -> None:
    """After ten consecutive failures the remaining users are skipped."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(200), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user")
        past = await read_simulated_past(talk, clock=clock)
        log = await talk.log()
    assert past.reading.problems == ("200 users not read (server_error)",)
    assert past.progress.asked.total() == 200
    assert log.count(operation="user") < 40


@in_fake_time
async def test_a_rejected_token_is_not_sent_again() -> None:
    """It may have been revoked meanwhile, and each attempt is a line in an audit log."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(200), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=401)
        past = await read_simulated_past(talk, clock=clock)
        log = await talk.log()
    assert past.reading.problems == ("200 users not read (unauthorized)",)
    assert log.count(operation="user") <= 3


@in_fake_time
async def test_an_account_whose_users_cannot_be_listed_has_no_history() -> None:
    """An empty history would mean that there were no events."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="summary")
        past = await read_simulated_past(talk, clock=clock)
    assert past.reading.history is None
    assert past.reading.problems[0].startswith("not read (server_error): ")


@in_fake_time
async def test_without_behaviors_the_account_is_not_read() -> None:
    """The names of behaviors could differ from those of the live series."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="behaviors")
        past = await read_simulated_past(talk, clock=clock)
    assert past.reading.history is None


@in_fake_time
async def test_without_permission_for_behaviors_events_keep_their_names() -> None:
    """/metrics has the same names with that token; the problem is reported."""
    clock = LoopClock()
    token = {"name": "half", "permissions": ["Zero Trust: PII Read"]}
    async with talk_to_simulator(still_scenario(tokens=[token]), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
    assert ("Impossible Travel", "high") in past.totals
    assert "behaviors not read (forbidden)" in past.reading.problems[0]


@in_fake_time
async def test_a_deleted_user_is_not_a_failure() -> None:
    """A user may be deleted between the summary and the request for details."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=404)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == {}
    assert past.reading.problems == ()


@in_fake_time
async def test_unlisted_users_have_no_history() -> None:
    """No response names users whose risk was reset."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("events", user=BOB, behavior="high_dlp")
        await talk.order("reset", user=ADA)
        clock.set_back(-60.0)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == {("high_dlp", "low"): 1}


@in_fake_time
async def test_pseudonyms_without_a_state_are_rejected_before_any_request() -> None:
    """Their key would differ from the exporter's."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        with pytest.raises(ConfigurationError, match="pseudonyms"):
            await read_simulated_past(talk, clock=clock, identity="pseudonym")
        log = await talk.log()
    assert log.count() == 0
