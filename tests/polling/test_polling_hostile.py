"""Accounts that are slow, huge or many."""

import gc
import resource
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from exporter.risk.ledger import Changes
from exporter.settings import Settings
from exporter.store import MemoryStore
from tests.support.answers import answer, event, row, summary, user
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import polling, polling_in, runtime_of, settings_of
from tests.support.scripted_api import ACCOUNT_ID, ScriptedApi, body, scripted_api, stream
from tests.support.simulator import ADA, still_account, still_scenario, talk_to_simulator

MINUTE = 60.0
MEGABYTE = 1_000_000


def settings_for(api: ScriptedApi, **values: object) -> Settings:
    """The one account of a scripted API."""
    account = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}
    return settings_of(api.url, [account], **values)


# Slow ------------------------------------------------------------------------------------------


@in_fake_time
async def test_an_account_whose_every_call_takes_29_seconds_slows_nobody() -> None:
    """It is polled as fast as it can be; the one beside it, with the same token, as ever."""
    clock = LoopClock()
    accounts = [still_account(name="good"), still_account(name="slow")]
    async with talk_to_simulator(still_scenario(accounts=accounts), clock=clock) as talk:
        await talk.order("faults", kind="latency", seconds=29.0, account="slow")
        async with polling(talk, clock, poll_interval="10s") as exporter:
            await clock.sleep(MINUTE + 1.0)
            for account in ("good", "slow"):
                await talk.order("events", account=account, user=ADA, behavior="imp_travel")
            await clock.sleep(15.0)
            assert exporter.total("events_total", account="good") == 1
            await clock.sleep(2 * MINUTE)

            assert exporter.total("events_total", account="slow") == 1
            polls = exporter.value("exporter_polls_total", account="good", resource="summary")
            assert polls == 20
            assert {one.value for one in exporter.samples("up")} == {1.0}


# Huge ------------------------------------------------------------------------------------------


async def padding(megabytes: int) -> AsyncIterator[bytes]:
    """The details of a user, of a name that does not end for a long time."""
    yield b'{"success":true,"errors":[],"messages":[],"result":{"events":[],"email":"e","name":"'
    for _ in range(megabytes):
        yield b"x" * MEGABYTE
    yield b'"}}'


@pytest.mark.slow
@in_fake_time
async def test_details_of_200_megabytes_are_refused_before_they_are_held() -> None:
    """Another user's are read meanwhile, and gauges stay."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([row("huge", max_risk_level="high"), row("ann")]))
        api.answers["huge"] = stream(lambda: padding(200))
        api.answers["ann"] = body(answer(user(event())))
        before = peak_bytes()
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(10 * MINUTE)

            reason = {"resource": "users", "reason": "bad_response"}
            assert exporter.total("exporter_poll_failures_total", **reason) >= 1
            assert api.asked["ann"] == 1
            assert exporter.users() == {"huge": 3, "ann": 1}
            assert peak_bytes() - before < 150 * MEGABYTE


async def endless_rows() -> AsyncIterator[bytes]:
    """A summary that never ends."""
    yield b'{"success":true,"errors":[],"messages":[],"result":{"users":['
    rows = b",".join(
        b'{"user_id":"%d","email":"","name":"","event_count":1,'
        b'"last_event":"2026-01-01T00:00:00Z","max_risk_level":"low"}' % number
        for number in range(10_000)
    )
    while True:
        yield rows + b","


@pytest.mark.slow
@in_fake_time
async def test_a_summary_that_never_ends_is_given_up_and_changes_nothing() -> None:
    """It is bounded as a body, and was never a good answer."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([row("ann")]))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(1.0)
            api.answers["summary"] = stream(endless_rows)
            await clock.sleep(MINUTE)

            assert exporter.users() == {"ann": 1}
            assert exporter.value("up") == 0


async def rows_of(users: int) -> AsyncIterator[bytes]:
    """A well-formed summary of so many users."""
    yield b'{"success":true,"errors":[],"messages":[],"result":{"users":['
    for start in range(0, users, 10_000):
        rows = b",".join(
            b'{"user_id":"00000000-0000-4000-8000-%012d","email":"user%d@example.com",'
            b'"name":"Some Body","event_count":3,"last_event":"2026-01-01T00:00:00.123456Z",'
            b'"max_risk_level":"low"}' % (number, number)
            for number in range(start, min(start + 10_000, users))
        )
        yield (b"," if start else b"") + rows
    yield b"]}}"


@pytest.mark.slow
@in_fake_time
async def test_a_million_users_are_read_and_cleared_in_bounded_memory() -> None:
    """A body of 180 MB is never held, and zero rows after them are an all-clear if well-formed."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = stream(lambda: rows_of(1_000_000))
        before = peak_bytes()
        async with polling_in(runtime, settings_for(api, users_min_level="none")) as exporter:
            await clock.sleep(1.0)
            assert exporter.value("users", risk_level="low") == 1_000_000
            assert peak_bytes() - before < 1_500 * MEGABYTE

            api.answers["summary"] = body(b'{"success":true,"result":{"users":')
            await clock.sleep(MINUTE)
            assert exporter.value("up") == 0
            assert exporter.value("users", risk_level="low") == 1_000_000

            api.answers["summary"] = body(summary([]))
            await clock.sleep(3 * MINUTE)
            assert exporter.value("up") == 1
            assert exporter.value("users", risk_level="low") == 0
    gc.collect()


def peak_bytes() -> int:
    """The most memory this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# Odd -------------------------------------------------------------------------------------------


@in_fake_time
async def test_who_is_listed_stays_listed_though_their_details_are_unknown() -> None:
    """The summary is the word of the API; a 404 beside it is no departure, and no failure."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([row("ann")]))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(10 * MINUTE)

            assert exporter.users() == {"ann": 1}
            assert exporter.value("exporter_resource_up", resource="users") == 1
            assert exporter.total("exporter_poll_failures_total") == 0
            assert api.asked["ann"] == 1


@in_fake_time
async def test_details_older_than_the_summary_are_asked_for_again_in_a_while() -> None:
    """Not at once, three times in a second, and then not before tomorrow."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["ann"] = body(answer(user(event())))
        api.answers["summary"] = body(summary([]))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(1.0)
            news = {"last_event": "2026-02-02T00:00:00Z"}
            api.answers["summary"] = body(summary([row("ann", **news)]))
            await clock.sleep(MINUTE + 1.0)
            assert api.asked["ann"] == 1
            late = event("e2", timestamp="2026-02-02T00:00:00Z")
            api.answers["ann"] = body(answer(user(event(), late)))
            await clock.sleep(15.0)

            assert api.asked["ann"] == 2
            assert exporter.total("user_events_total", user_id="ann") == 2
            await clock.sleep(30 * MINUTE)
            assert api.asked["ann"] == 2


@in_fake_time
async def test_the_same_user_in_two_accounts_is_two_users() -> None:
    """Ids, events and names may be alike; what one account tells counts there alone."""
    clock = LoopClock()
    accounts = [still_account(name="acme"), still_account(name="globex")]
    async with (
        talk_to_simulator(still_scenario(accounts=accounts), clock=clock) as talk,
        polling(talk, clock) as exporter,
    ):
        await clock.sleep(MINUTE + 1.0)
        same = {"user": ADA, "behavior": "imp_travel", "id": "e1", "timestamp": clock.time()}
        await talk.order("events", account="acme", **same)
        await talk.order("events", account="globex", count=2, **same)
        await clock.sleep(2 * MINUTE)

        assert exporter.total("user_events_total", account="acme", user_id=ADA) == 1
        assert exporter.total("user_events_total", account="globex", user_id=ADA) == 2


# Many ------------------------------------------------------------------------------------------


@pytest.mark.slow
@in_fake_time
async def test_a_hundred_accounts_start_spread_and_none_waits_for_another() -> None:
    """Each is polled each minute; the fifty of either token share its quota."""
    clock = LoopClock()
    accounts = [still_account(name=f"a{number}") for number in range(100)]
    tokens = [{"name": "one"}, {"name": "two"}]
    scenario = still_scenario(accounts=accounts, tokens=tokens)
    async with talk_to_simulator(scenario, clock=clock) as talk, runtime_of(clock) as runtime:
        values = list(talk.simulator.tokens.values())
        listed = [
            {"name": name, "account_id": account_id, "api_token": values[number % 2]}
            for number, (name, account_id) in enumerate(talk.simulator.account_ids.items())
        ]
        async with polling_in(runtime, settings_of(talk.simulator.api_url, listed)) as exporter:
            started = []
            for _ in range(10):
                await clock.sleep(6.0)
                started.append(exporter.total("exporter_polls_total", resource="summary"))
            await clock.sleep(5 * MINUTE + 0.5)
            polls = {
                one.value for one in exporter.samples("exporter_polls_total", resource="summary")
            }
            log = await talk.log()

    assert len(runtime.quotas) == 2
    assert all(9 <= after - before <= 11 for before, after in pairwise([0.0, *started]))
    assert polls == {6.0, 7.0}
    assert log.count(status=429) == 0


class BrokenStore(MemoryStore):
    """A store with a bug."""

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Raise what nobody expects."""
        raise ZeroDivisionError(account_id, changes)


# The end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [0.0, 0.5, 30.0, 61.0])
def test_polling_ends_at_once_whatever_it_waits_for(when: float) -> None:
    """A request on its way, a refusal, the next poll: nothing holds up a shutdown."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with talk_to_simulator(clock=clock) as talk:
            await talk.order("faults", kind="latency", seconds=25.0, after=60.0)
            async with polling(talk, clock):
                await clock.sleep(when)
                stopped_at = clock.monotonic()
            assert clock.monotonic() - stopped_at < 1.0

    story()


@in_fake_time
async def test_a_bug_ends_all_polling() -> None:
    """A supervisor restarts what has ended; nobody restarts what goes on half."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        with pytest.raises(ExceptionGroup) as raised:
            async with polling(talk, clock, store=BrokenStore()):
                await clock.sleep(10 * MINUTE)

    assert raised.group_contains(ZeroDivisionError)
