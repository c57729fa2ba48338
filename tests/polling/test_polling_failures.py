"""What goes wrong stays where it went wrong, and is asked for again at a decent pace."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.answers import answer, event, row, summary, user
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import (
    SCRAPE_SECONDS,
    polling,
    polling_in,
    runtime_of,
    settings_of,
)
from tests.support.scripted_api import ACCOUNT_ID, body, scripted_api
from tests.support.simulator import ADA, BOB, still_account, still_scenario, talk_to_simulator

MINUTE = 60.0

FAULTS = [
    {"kind": "latency", "seconds": 45.0},
    {"kind": "throttle", "retry_after": 20},
    {"kind": "error", "status": 500},
    {"kind": "error", "status": 200},
    {"kind": "error", "status": 401},
    {"kind": "html", "status": 520},
    {"kind": "html", "status": 1015},
    {"kind": "truncate"},
    {"kind": "stall", "seconds": 100.0},
    {"kind": "drop"},
    {"kind": "malformed"},
    {"kind": "null_result"},
]


def person(name: str) -> dict[str, object]:
    """A user of a scenario who has triggered one event."""
    return {"email": f"{name}@example.com", "events": [{"behavior": "imp_travel"}]}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_after_any_fault_everything_is_counted(fault: dict[str, object]) -> None:
    """Minutes of it, while events go on: late, but each of them, and once."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with talk_to_simulator(clock=clock) as talk, polling(talk, clock) as exporter:
            await clock.sleep(1.0)
            await talk.order("faults", lasting=600.0, probability=0.8, **fault)
            for _ in range(10):
                await talk.order("events", user=ADA, behavior="imp_travel")
                await talk.order("events", user=BOB, behavior="high_dlp")
                await clock.sleep(MINUTE)
            await clock.sleep(20 * MINUTE)

            assert exporter.total("events_total") == 20
            assert exporter.value("up") == 1
            assert exporter.total("exporter_pending_users") == 0

    story()


@in_fake_time
async def test_a_user_whose_details_are_broken_does_not_hold_up_another() -> None:
    """Ann goes first, being high, and fails each time; Bob is read at once."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        account = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}
        async with polling_in(runtime, settings_of(api.url, [account])) as exporter:
            await clock.sleep(1.0)
            rows = [row("ann", max_risk_level="high"), row("bob", max_risk_level="high")]
            api.answers["summary"] = body(summary(rows))
            api.answers["ann"] = body(b"[]")
            api.answers["bob"] = body(answer(user(event())))
            await clock.sleep(MINUTE + 2 * SCRAPE_SECONDS)
            assert exporter.total("user_events_total", user_id="bob") == 1
            assert exporter.users() == {"ann": 3, "bob": 3}

            api.answers["ann"] = body(answer(user(event())))
            await clock.sleep(5 * MINUTE)
            assert exporter.total("user_events_total", user_id="ann") == 1


@pytest.mark.parametrize("operation", ["summary", "user", "behaviors", "integrations"])
def test_a_resource_without_permission_disturbs_no_other(
    operation: str,
) -> None:
    """It is a state, said once in the log and always in `resource_up`."""
    resource = {"user": "users"}.get(operation, operation)

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with talk_to_simulator(clock=clock) as talk, polling(talk, clock) as exporter:
            await clock.sleep(1.0)
            await talk.order("faults", kind="error", status=403, operation=operation)
            for _ in range(60):
                await talk.order("events", user=ADA, behavior="imp_travel")
                await clock.sleep(MINUTE)

            ups = {
                one.labels["resource"]: one.value
                for one in exporter.samples("exporter_resource_up")
            }
            failures = exporter.value(
                "exporter_poll_failures_total", resource=resource, reason="forbidden"
            )
        names = ("summary", "users", "behaviors", "integrations")
        assert ups == {name: float(name != resource) for name in names}
        assert failures is not None
        assert 3 < failures <= 62

    with capture_logs() as log:
        story()

    warnings = [
        one for one in log if one["log_level"] == "warning" and one["event"] == "poll.failed"
    ]
    assert [(one["resource"], one["reason"]) for one in warnings] == [(resource, "forbidden")]


@in_fake_time
async def test_a_refused_token_is_read_again_and_not_shown_more_than_once_a_minute(
    tmp_path: Path,
) -> None:
    """A token that was replaced works within a minute or two, at whatever poll interval."""
    clock = LoopClock()
    file = tmp_path / "token"
    file.write_text("an-old-token")
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        accounts = [
            {"name": "acme", "account_id": account_id, "api_token_file": str(file)}
            for account_id in talk.simulator.account_ids.values()
        ]
        settings = settings_of(talk.simulator.api_url, accounts, poll_interval="2s")
        async with polling_in(runtime, settings) as exporter:
            await clock.sleep(10 * MINUTE)
            refused = (await talk.log()).count(status=401)
            assert 3 <= refused / 3 <= 10
            assert exporter.value("up") == 0

            file.write_text(next(iter(talk.simulator.tokens.values())))
            await clock.sleep(61.0)

            assert exporter.value("up") == 1


@in_fake_time
async def test_a_broken_account_disturbs_no_other() -> None:
    """Its API answers nothing for hours; the good one beside it, with the same token, does."""
    clock = LoopClock()
    scenario = still_scenario(
        accounts=[
            {**still_account(name="good", named_users=[person("ann")])},
            {**still_account(name="bad", named_users=[person("bob")])},
        ]
    )
    async with talk_to_simulator(scenario, clock=clock) as talk, polling(talk, clock) as exporter:
        await clock.sleep(MINUTE + 1.0)
        await talk.order("faults", kind="stall", seconds=1000.0, account="bad")
        for _ in range(60):
            await talk.order(
                "events", account="good", user="ann@example.com", behavior="imp_travel"
            )
            await clock.sleep(MINUTE)

        assert exporter.total("events_total", account="good") == 60
        assert exporter.value("up", account="good") == 1
        assert exporter.value("up", account="bad") == 0
        polls = exporter.value("exporter_polls_total", account="good", resource="summary")
        assert polls in {61, 62}


@in_fake_time
async def test_slow_answers_delay_the_next_poll_and_never_overlap_it() -> None:
    """A poll of 29 seconds every ten is a poll every thirty."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="latency", seconds=29.0, operation="summary")
        async with polling(talk, clock, poll_interval="10s") as exporter:
            await clock.sleep(10 * MINUTE - 1.0)

            assert exporter.value("exporter_polls_total", resource="summary") == 20
            assert exporter.value("exporter_poll_duration_seconds", resource="summary") == 29.0


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_a_clock_that_jumps_makes_no_storm_and_no_silence(seconds: float) -> None:
    """Polls follow the clock that cannot be set."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with talk_to_simulator(clock=clock) as talk, polling(talk, clock) as exporter:
            await clock.sleep(5 * MINUTE + 1.0)
            before = exporter.total("exporter_polls_total")
            clock.set_back(seconds)
            await clock.sleep(5 * MINUTE)
            await talk.order("events", user=BOB, behavior="imp_travel")
            await clock.sleep(5 * MINUTE)

            assert exporter.value("up") == 1
            assert exporter.users()[ADA] == 3
            assert exporter.total("exporter_polls_total") - before <= 10 + 4 + 3

    story()


@in_fake_time
async def test_users_who_fail_for_different_reasons_are_warned_of_once_each() -> None:
    """A thousand broken users must not be a thousand lines, nor one that comes and goes."""
    clock = LoopClock()
    with capture_logs() as log:
        async with talk_to_simulator(clock=clock) as talk, polling(talk, clock):
            await clock.sleep(1.0)
            for kind in ("malformed", "drop", "malformed", "drop", "malformed"):
                await talk.order(
                    "faults", kind=kind, operation="user", probability=0.7, lasting=60.0
                )
                await talk.order("events", user=ADA, behavior="imp_travel")
                await talk.order("events", user=BOB, behavior="high_dlp")
                await clock.sleep(MINUTE)
            await clock.sleep(20 * MINUTE)

    story = [one["event"] for one in log if one["log_level"] in {"warning", "info"}]
    rounds = " ".join(story).split("poll.recovered")
    assert len(rounds) > 1
    assert all(warned.count("poll.failed") <= 2 for warned in rounds)
