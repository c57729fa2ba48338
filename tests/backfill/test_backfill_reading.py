"""The laws of asking the API for an account's past, in time that only the tests let pass."""

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
    """Return a scenario of so many users, all of them listed."""
    levels = {"low": 1.0, "medium": 0.0, "high": 0.0}
    account = still_account(users=users, named_users=[], levels=levels)
    return still_scenario(accounts=[account], **keys)


async def true_totals(talk: Talk) -> dict[tuple[str, ...], int]:
    """Return the events there were from the start, by behavior and level."""
    truth = await talk.truth()
    return {(one.behavior, one.risk_level): one.initial for one in truth.totals if one.initial}


@in_fake_time
async def test_the_totals_are_the_events_the_api_holds() -> None:
    """Of every listed user, whichever their events' spelling."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(50), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
        assert past.totals == await true_totals(talk)
    assert past.reading.problems == ()


@in_fake_time
async def test_whoever_watches_hears_of_every_user() -> None:
    """An hour of silence looks like a hang."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(50), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
    assert past.told.users == past.told.asked != {}


@in_fake_time
async def test_no_more_is_asked_than_the_share_of_the_quota() -> None:
    """People and their tools share it, and an exporter may be running beside."""
    clock = LoopClock()
    scenario = crowd(120, quota={"requests": 40, "window": 60.0})
    async with talk_to_simulator(scenario, clock=clock) as talk:
        await read_simulated_past(talk, clock=clock, api_share="0.5")
        log = await talk.log()
    assert log.count(status=429) == 0
    assert log.count() == 122
    assert clock.monotonic() >= 120 / 20 * 60 - 60


@in_fake_time
async def test_a_429_is_waited_out_and_nobody_is_missed() -> None:
    """Somebody else may use the quota up at any time."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(20), clock=clock) as talk:
        await talk.order("faults", kind="throttle", retry_after=120, count=3)
        past = await read_simulated_past(talk, clock=clock)
        assert past.totals == await true_totals(talk)
    assert past.reading.problems == ()
    assert clock.monotonic() >= 120


@pytest.mark.parametrize("kind", ["error", "html", "drop", "truncate", "malformed"])
@in_fake_time
async def test_a_failure_that_passes_costs_nobody(kind: str) -> None:
    """Whatever is asked is asked again, twice."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind=kind, count=2)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == BOTH
    assert past.reading.problems == ()


@in_fake_time
async def test_users_who_cannot_be_read_are_told_and_the_others_are_there() -> None:
    """Hours of asking must not be thrown away for one user whom the API cannot answer."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(6), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=400, count=2)
        past = await read_simulated_past(talk, clock=clock)
        truth = await true_totals(talk)
    assert past.reading.problems == ("2 users not read (bad_response)",)
    assert 0 < sum(past.totals.values()) < sum(truth.values())


@in_fake_time
async def test_an_outage_is_not_asked_about_for_every_user() -> None:
    """After ten users in a row in vain the others are missing, too, and nobody is bothered."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(200), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user")
        past = await read_simulated_past(talk, clock=clock)
        log = await talk.log()
    assert past.reading.problems == ("200 users not read (server_error)",)
    assert past.told.asked.total() == 200
    assert log.count(operation="user") < 40


@in_fake_time
async def test_a_token_that_is_refused_is_not_shown_again() -> None:
    """It could have been revoked on the way, and each try is a line in somebody's audit log."""
    clock = LoopClock()
    async with talk_to_simulator(crowd(200), clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=401)
        past = await read_simulated_past(talk, clock=clock)
        log = await talk.log()
    assert past.reading.problems == ("200 users not read (unauthorized)",)
    assert log.count(operation="user") <= 3


@in_fake_time
async def test_an_account_whose_users_cannot_be_listed_has_no_past() -> None:
    """An empty one would say that nothing happened."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="summary")
        past = await read_simulated_past(talk, clock=clock)
    assert past.reading.history is None
    assert past.reading.problems[0].startswith("not read (server_error): ")


@in_fake_time
async def test_behaviors_that_fail_cost_the_account() -> None:
    """Without them a behavior would have another name than in the live series."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="behaviors")
        past = await read_simulated_past(talk, clock=clock)
    assert past.reading.history is None


@in_fake_time
async def test_behaviors_that_may_not_be_read_leave_events_their_own_names() -> None:
    """So does /metrics with that token; it is told all the same."""
    clock = LoopClock()
    token = {"name": "half", "permissions": ["Zero Trust: PII Read"]}
    async with talk_to_simulator(still_scenario(tokens=[token]), clock=clock) as talk:
        past = await read_simulated_past(talk, clock=clock)
    assert ("Impossible Travel", "high") in past.totals
    assert "behaviors not read (forbidden)" in past.reading.problems[0]


@in_fake_time
async def test_a_user_who_is_gone_is_no_failure() -> None:
    """Somebody may be deleted between the summary and the question about them."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", operation="user", status=404)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == {}
    assert past.reading.problems == ()


@in_fake_time
async def test_who_is_not_listed_has_no_past() -> None:
    """Whoever was reset is not listed, and no answer names them: their events cannot be had."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("events", user=BOB, behavior="high_dlp")
        await talk.order("reset", user=ADA)
        clock.set_back(-60.0)
        past = await read_simulated_past(talk, clock=clock)
    assert past.totals == {("high_dlp", "low"): 1}


@in_fake_time
async def test_pseudonyms_without_a_state_are_refused_before_anything_is_asked() -> None:
    """Their key would be another one than the exporter's, and nobody would be recognised."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        with pytest.raises(ConfigurationError, match="pseudonyms"):
            await read_simulated_past(talk, clock=clock, identity="pseudonym")
        log = await talk.log()
    assert log.count() == 0
