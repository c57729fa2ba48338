import asyncio
import time

import aiohttp
import pytest

from exporter.simulator import Scenario, run_simulator
from tests.support.manual_clock import ManualClock
from tests.support.simulator import ADA, BOB, Talk, still_account, talk_to_simulator


async def test_an_event_lists_its_user_at_once(talk: Talk) -> None:
    """A triggered event is in the next response."""
    ordered = await talk.order(
        "events", user=BOB, behavior="imp_travel", timestamp="2026-01-31T12:00:00Z", id="one"
    )

    bob = (await talk.truth()).user(BOB)

    assert ordered == {"events": [{"id": "one", "timestamp": 1769860800.0}]}
    assert (bob.listed, bob.risk_level, bob.last_event) == (True, "high", 1769860800.0)


async def test_events_can_be_identical(talk: Talk) -> None:
    """Whether the id of an event is unique is not documented."""
    await talk.order("events", user=BOB, behavior="imp_travel", timestamp=1000, id="same", count=3)

    events = (await talk.truth()).user(BOB).events

    assert [(event.id, event.timestamp) for event in events] == [("same", 1000.0)] * 3


async def test_an_unknown_level_is_the_highest(talk: Talk) -> None:
    """A user with a new level must not look harmless."""
    await talk.order("events", user=ADA, behavior="high_dlp", level="critical")

    assert (await talk.truth()).user(ADA).risk_level == "critical"


async def test_a_reset_unlists_until_the_next_event(talk: Talk) -> None:
    """The documentation says this about a cleared score."""
    await talk.order("reset", user=ADA)
    assert not (await talk.truth()).user(ADA).listed

    await talk.order("events", user=ADA, behavior="high_dlp")

    ada = (await talk.truth()).user(ADA)
    assert (ada.listed, ada.risk_level, ada.event_count, ada.resets) == (True, "low", 1, 1)


async def test_a_user_and_a_behavior_can_be_added(talk: Talk) -> None:
    """Both can appear while a client runs."""
    added = await talk.order("users", email="eve@example.com", name="Eve")
    await talk.order("behaviors", key="ai_leak", name="AI Leak", level="medium")
    await talk.order("events", user="eve@example.com", behavior="ai_leak")

    eve = (await talk.truth()).user(str(added["user_id"]))

    assert (eve.email, eve.risk_level) == ("eve@example.com", "medium")


@pytest.mark.parametrize(
    ("what", "body", "problem"),
    [
        ("events", {"user": "nobody", "behavior": "high_dlp"}, "no such user in account acme"),
        ("events", {"user": ADA, "behavior": "nothing"}, "no such behavior: nothing"),
        ("events", {"user": ADA}, "behavior: is missing"),
        ("events", {"user": ADA, "behavior": "high_dlp", "timestamp": "now"}, "not an RFC 3339"),
        ("reset", {"user": ADA, "account": "globex"}, "no such account: globex"),
        ("reset", {"user": ADA, "acount": "acme"}, "unknown; the nearest known name is account"),
        ("spend", {"requests": 1, "token": "nobody"}, "no such token: nobody"),
        ("faults", {"kind": "flood"}, "kind: Input should be"),
    ],
)
async def test_a_command_that_fails_says_why(
    talk: Talk, what: str, body: dict[str, object], problem: str
) -> None:
    """The error names the cause."""
    url = f"{talk.simulator.admin_url}/{what}"
    async with talk.session.post(url, json=body) as answer:
        content = await answer.json()

    assert answer.status == 400
    assert problem in content["errors"][0]


async def test_a_command_names_one_of_several_accounts() -> None:
    """A guess would change the wrong account."""
    accounts = [still_account(), still_account(name="globex")]
    async with talk_to_simulator(Scenario.model_validate({"accounts": accounts})) as talk:
        with pytest.raises(AssertionError, match="several accounts exist; name one in account"):
            await talk.order("reset", user=ADA)
        await talk.order("reset", user=ADA, account="globex")

        assert (await talk.truth(account="acme")).user(ADA).listed
        assert not (await talk.truth(account="globex")).user(ADA).listed


async def test_the_number_of_a_fault_must_be_a_number(talk: Talk) -> None:
    """A typing error must not clear all faults."""
    url = f"{talk.simulator.admin_url}/faults"
    async with talk.session.delete(url, params={"number": "one"}) as answer:
        content = await answer.json()

    assert (answer.status, content) == (400, {"errors": ["number: must be a number"]})


async def test_the_log_names_tokens_and_never_shows_them(talk: Talk) -> None:
    """The log appears in the output of tests."""
    await talk.get("/summary")
    await talk.ask("GET", "/summary", token="a-secret-nobody-knows")

    log = await talk.log()

    assert [(one.token, one.status, one.delivered) for one in log.requests] == [
        ("full", 200, True),
        (None, 401, True),
    ]
    assert log.count(operation="summary") == 2
    for path in ("/", "/log", "/truth", "/faults"):
        async with talk.session.get(talk.simulator.admin_url + path) as answer:
            content = await answer.text()
        assert talk.simulator.tokens["full"] not in content
        assert "a-secret-nobody-knows" not in content


async def test_the_activity_can_be_paused_and_resumed() -> None:
    """Paused time is not made up for after the pause."""
    clock = ManualClock()
    async with talk_to_simulator(Scenario(), clock=clock) as talk:
        await talk.order("pause")
        before = await talk.truth()
        clock.advance(600)
        assert await talk.truth() == before

        await talk.order("resume")
        assert await talk.truth() == before

        clock.advance(60)
        assert await talk.truth() != before


async def test_it_shuts_down_without_waiting_for_a_stalled_response() -> None:
    """A client that waits for the rest of a response must not delay the shutdown."""
    scenario = Scenario.model_validate({"faults": [{"kind": "stall", "seconds": "1h"}]})
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(20), run_simulator(scenario) as simulator:
            url = f"{simulator.api_url}/accounts/{simulator.account_ids['demo']}"
            headers = {"Authorization": f"Bearer {simulator.tokens['full']}"}
            answer = await session.get(f"{url}/zt_risk_scoring/summary", headers=headers)
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


@pytest.mark.slow
async def test_a_hundred_thousand_users_cost_ten_seconds_of_processor_time_at_most() -> None:
    """A benchmark must measure the exporter and not the load generator."""
    account = {"users": 100_000, "levels": {"low": 0.7, "medium": 0.2, "high": 0.1}}
    started = time.process_time()
    async with talk_to_simulator(Scenario.model_validate({"accounts": [account]})) as talk:
        assert time.process_time() - started < 10
        started = time.process_time()

        status, content = await talk.get("/summary")

        assert time.process_time() - started < 3
    assert status == 200
    assert isinstance(content, dict)
    assert len(content["result"]["users"]) == 100_000
