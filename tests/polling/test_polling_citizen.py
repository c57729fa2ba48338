"""Beside others who use the same token, and after a 429."""

import asyncio
from collections import Counter

import pytest

from exporter.clock import Clock
from exporter.simulator import Scenario
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import account_settings, polling, polling_in, runtime_of, settings_of
from tests.support.simulator import (
    ADA,
    STILL,
    Talk,
    still_account,
    still_scenario,
    talk_to_simulator,
)

MINUTE = 60.0
WINDOW = 300.0


def busy(*, users: int, events_per_minute: float) -> Scenario:
    """An account in which much happens."""
    activity = {**STILL, "events_per_minute": events_per_minute}
    return still_scenario(accounts=[still_account(users=users, activity=activity)])


async def compete(talk: Talk, clock: Clock, *, requests_per_window: int) -> None:
    """Be another tool of the same person, which asks evenly and looks at no header."""
    while True:
        await clock.sleep(WINDOW / requests_per_window)
        await talk.get("/integrations")


@pytest.mark.slow
@pytest.mark.parametrize("requests_per_window", [600, 840, 1000])
def test_beside_a_busy_tool_nobody_is_ever_refused(requests_per_window: int) -> None:
    """It takes up to five sixths of the quota; we make do with the rest, for half an hour."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        scenario = busy(users=2000, events_per_minute=100.0)
        async with talk_to_simulator(scenario, clock=clock) as talk, asyncio.TaskGroup() as tasks:
            tool = tasks.create_task(compete(talk, clock, requests_per_window=requests_per_window))
            async with polling(talk, clock) as exporter:
                await clock.sleep(30 * MINUTE + 1.0)
                log = await talk.log()
                polls = exporter.value("exporter_polls_total", resource="summary")
                users = exporter.value("exporter_polls_total", resource="users")
            tool.cancel()

        assert log.count(status=429) == 0
        assert polls == 31
        assert users is not None
        assert users > 6 * (1200 - requests_per_window) * 0.4

    story()


@pytest.mark.slow
@in_fake_time
async def test_alone_we_never_take_more_than_our_share() -> None:
    """The simulator's own log, in any five minutes of an hour with more to ask than allowed."""
    clock = LoopClock()
    scenario = busy(users=3000, events_per_minute=400.0)
    async with talk_to_simulator(scenario, clock=clock) as talk, polling(talk, clock):
        windows = []
        for _ in range(6):
            before = sum(one.count for one in (await talk.log()).counts)
            await clock.sleep(WINDOW)
            windows.append(sum(one.count for one in (await talk.log()).counts) - before)

    assert max(windows) <= 600
    assert min(windows) >= 500


@in_fake_time
async def test_after_a_429_nothing_is_asked_until_the_api_said() -> None:
    """By no task of no account that has the token; then one, and then the others."""
    clock = LoopClock()
    scenario = still_scenario(
        accounts=[still_account(name=name, named_users=[]) for name in ("acme", "globex")]
    )
    async with talk_to_simulator(scenario, clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(2 * MINUTE + 1.0)
        await talk.order("faults", kind="throttle", retry_after=200, count=1)
        await clock.sleep(MINUTE)
        refused = (await talk.log()).count()
        await clock.sleep(198.0 - MINUTE)
        assert (await talk.log()).count() == refused

        await clock.sleep(10 * MINUTE)

        assert (await talk.log()).count(status=429) == 1
        assert {one.value for one in exporter.samples("up")} == {1.0}
        paused = exporter.samples("exporter_api_paused_seconds_total", reason="rate_limited")
        assert [one.value for one in paused] == pytest.approx([200.0, 200.0], abs=1.0)


@in_fake_time
async def test_a_refusal_of_five_minutes_counts_five_minutes() -> None:
    """For one account with nothing to wait with; over a reload too."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        settings = settings_of(talk.simulator.api_url, account_settings(talk))
        async with polling_in(runtime, settings):
            await clock.sleep(1.0)
            await talk.order("faults", kind="throttle", retry_after=300, count=1)
            await clock.sleep(2 * MINUTE)
        async with polling_in(runtime, settings) as exporter:
            await clock.sleep(8 * MINUTE)
            paused = exporter.value("exporter_api_paused_seconds_total", reason="rate_limited")

    assert paused == pytest.approx(300.0, abs=1.0)


@pytest.mark.slow
@in_fake_time
async def test_a_storm_of_429s_is_met_by_silence() -> None:
    """Half an hour of them: a handful of requests, and all is counted afterwards."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(1.0)
        await talk.order("faults", kind="throttle", retry_after=60, lasting=1800.0)
        for _ in range(30):
            await talk.order("events", user=ADA, behavior="imp_travel")
            await clock.sleep(MINUTE)
        asked = (await talk.log()).count(status=429)

        await clock.sleep(15 * MINUTE)

        assert 5 <= asked <= 31
        assert exporter.total("events_total") == 30
        assert exporter.value("up") == 1


@in_fake_time
async def test_a_lockout_by_others_is_sat_out() -> None:
    """Somebody else spent it all: every call is refused for five minutes, and ours make one."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(1.0)
        await talk.order("spend", requests=1300)
        await clock.sleep(15 * MINUTE)

        assert (await talk.log()).count(status=429) == 1
        assert exporter.value("up") == 1


@pytest.mark.slow
@in_fake_time
async def test_a_high_risk_change_shows_within_the_interval_while_catching_up() -> None:
    """Two thousand users wait for a first reading; the one who turned high does not."""
    clock = LoopClock()
    scenario = still_scenario(accounts=[still_account(users=10_000)])
    async with talk_to_simulator(scenario, clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(2 * MINUTE + 0.5)
        for number in range(10):
            await talk.order("events", user=ADA, behavior="imp_travel")
            await clock.sleep(MINUTE + 1.0)
            # Not the user's counter, which is new and at 0 until a scrape has carried it.
            assert exporter.total("events_total", behavior="imp_travel") == number + 1


@pytest.mark.slow
@in_fake_time
async def test_a_cold_start_reads_all_high_users_within_five_minutes() -> None:
    """Five hundred of ten thousand, at the default share."""
    clock = LoopClock()
    levels = {"low": 0.1, "medium": 0.05, "high": 0.05}
    scenario = still_scenario(accounts=[still_account(users=10_000, levels=levels, named_users=[])])
    async with talk_to_simulator(scenario, clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(WINDOW)

        users = exporter.runtime.ledgers.popitem()[1].ledger.users.values()
        high = [one for one in users if one.level == 3]
        assert len(high) > 450
        assert all(one.details_at is not None for one in high)


@in_fake_time
async def test_a_reload_does_not_end_a_refusal() -> None:
    """The API refuses the token, not the process's idea of its configuration."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        token = next(iter(talk.simulator.tokens.values()))
        accounts = [
            {"name": name, "account_id": account_id, "api_token": token}
            for name, account_id in talk.simulator.account_ids.items()
        ]
        settings = settings_of(talk.simulator.api_url, accounts)
        async with polling_in(runtime, settings) as exporter:
            await clock.sleep(1.0)
            await talk.order("faults", kind="throttle", retry_after=250, count=1)
            await clock.sleep(MINUTE)
        asked = (await talk.log()).count()
        async with polling_in(runtime, settings) as exporter:
            assert exporter.users() == {ADA: 3}
            await clock.sleep(180.0)
            assert (await talk.log()).count() == asked
            await clock.sleep(2 * MINUTE)
            assert (await talk.log()).count() > asked


@pytest.mark.slow
@in_fake_time
async def test_accounts_with_one_token_share_one_quota_wherever_it_is_written() -> None:
    """Two files with the same token are one token."""
    clock = LoopClock()
    accounts = [still_account(name=f"a{n}", named_users=[], users=1000) for n in range(3)]
    async with (
        talk_to_simulator(still_scenario(accounts=accounts), clock=clock) as talk,
        polling(talk, clock) as exporter,
    ):
        await clock.sleep(WINDOW)

        assert len(exporter.runtime.quotas) == 1
        asked = Counter(one.account for one in (await talk.log()).requests)
        assert len(asked) == 3
        assert sum(asked.values()) <= 600
