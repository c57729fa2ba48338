"""Answers with rows that cannot be read: all of them, many of them, or rows without a user id."""

import pytest
from structlog.testing import capture_logs

from exporter.app.checking import Verdict, check
from exporter.app.once import poll_once
from exporter.app.status import status_page
from exporter.settings import Settings
from tests.support.answers import Document, answer, event, integration, row, summary, user
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import polling_in, runtime_of, settings_of
from tests.support.scripted_api import ACCOUNT_ID, ScriptedApi, body, scripted_api

MINUTE = 60.0
SIX = ("ann", "bob", "cat", "dan", "eve", "fay")
DRIFTS: dict[str, Document] = {
    "event count as text": {"event_count": "3"},
    "last event null": {"last_event": None},
    "last event without offset": {"last_event": "2026-01-01T00:00:00"},
    "level null": {"max_risk_level": None},
}
NAMELESS: Document = {**row(), "user_id": None}
BROKEN_BEHAVIOR = {"enabled": "yes", "risk_level": "low"}


def settings_for(api: ScriptedApi, **values: object) -> Settings:
    """Return settings for the one account of a scripted API."""
    account = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}
    return settings_of(api.url, [account], **values)


def rows_of(*user_ids: str, **changes: object) -> list[Document]:
    """Return rows of users at high risk."""
    return [row(user_id, **{"max_risk_level": "high", **changes}) for user_id in user_ids]


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_a_first_summary_without_a_readable_row_is_a_failed_poll(drift: Document) -> None:
    """Six users at high risk must not become a fresh zero."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with scripted_api() as api, runtime_of(clock) as runtime:
            api.answers["summary"] = body(summary(rows_of(*SIX, **drift)))
            async with polling_in(runtime, settings_for(api)) as exporter:
                await clock.sleep(1.0)

                assert exporter.value("up") == 0
                assert exporter.value("users", risk_level="high") is None
                reason = {"resource": "summary", "reason": "bad_response"}
                assert exporter.value("exporter_poll_failures_total", **reason) == 1
                rows = {"operation": "list_summary"}
                assert exporter.value("exporter_unreadable_rows_total", **rows) == 6

    story()


@in_fake_time
async def test_a_summary_that_becomes_unreadable_keeps_the_last_good_data() -> None:
    """A renamed field is no all-clear; once the rows can be read again, all is well again."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary(rows_of(*SIX)))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(1.0)
            api.answers["summary"] = body(summary(rows_of(*SIX, event_count="3")))
            await clock.sleep(MINUTE)
            assert exporter.value("up") == 0
            assert exporter.value("users", risk_level="high") == 6

            api.answers["summary"] = body(summary(rows_of(*SIX)))
            await clock.sleep(5 * MINUTE)
            assert exporter.value("up") == 1


@in_fake_time
async def test_an_empty_summary_is_a_good_one() -> None:
    """No rows at all are an all-clear, not a failure."""
    clock = LoopClock()
    async with (
        scripted_api() as api,
        runtime_of(clock) as runtime,
        polling_in(runtime, settings_for(api)) as exporter,
    ):
        await clock.sleep(1.0)

        assert exporter.value("up") == 1
        assert exporter.value("users", risk_level="high") == 0


@in_fake_time
async def test_a_summary_with_one_readable_row_succeeds_and_counts_all_rows() -> None:
    """The readable rows are news; the ratio of the two counters says how many are missing."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        rows = [*rows_of("ann"), *rows_of("bob", "cat", event_count="3")]
        api.answers["summary"] = body(summary(rows))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(1.0)

            assert exporter.value("up") == 1
            assert exporter.users() == {"ann": 3}
            operation = {"operation": "list_summary"}
            assert exporter.value("exporter_unreadable_rows_total", **operation) == 2
            assert exporter.value("exporter_answer_rows_total", **operation) == 3


@in_fake_time
async def test_lists_without_a_readable_row_fail_their_resource_alone() -> None:
    """Behaviors, integrations and a user's events follow the same rule as the summary."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary(rows_of("ann")))
        api.answers["ann"] = body(answer(user(event(timestamp="yesterday"))))
        api.answers["behaviors"] = body(answer({"behaviors": {"imp_travel": BROKEN_BEHAVIOR}}))
        api.answers["integrations"] = body(answer([integration(active="yes")]))
        async with polling_in(runtime, settings_for(api)) as exporter:
            await clock.sleep(1.0)

            up = {
                one.labels["resource"]: one.value
                for one in exporter.samples("exporter_resource_up")
            }
            assert up == {"summary": 1, "users": 0, "behaviors": 0, "integrations": 0}
            failures = exporter.samples("exporter_poll_failures_total", reason="bad_response")
            assert {one.labels["resource"] for one in failures if one.value} == {
                *("users", "behaviors", "integrations")
            }


@in_fake_time
async def test_unreadable_rows_warn_once_and_are_debug_events_afterwards() -> None:
    """An API that sends unreadable rows sends them at every poll."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([*rows_of("ann"), *rows_of("bob", event_count="3")]))
        with capture_logs() as events:
            async with polling_in(runtime, settings_for(api)):
                await clock.sleep(MINUTE + 1.0)

    logged = [event for event in events if event["event"] == "rows.skipped"]
    assert [(one["log_level"], one["rows"], one["unreadable"]) for one in logged] == [
        ("warning", 2, 1),
        ("debug", 2, 1),
    ]


# Rows without a readable user id ---------------------------------------------------------------


@in_fake_time
async def test_departures_that_stay_unproven_are_reported_from_the_third_poll_on() -> None:
    """Users who left stay listed by design, so the operator has to learn of it; once a change."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary(rows_of("ann", "bob")))
        with capture_logs() as events:
            async with polling_in(runtime, settings_for(api)) as exporter:
                await clock.sleep(1.0)
                api.answers["summary"] = body(summary([*rows_of("ann"), NAMELESS]))
                await clock.sleep(2 * MINUTE)
                assert exporter.value("exporter_departures_frozen") == 0
                assert exporter.users() == {"ann": 3, "bob": 3}
                await clock.sleep(5 * MINUTE)
                assert exporter.value("exporter_departures_frozen") == 1
                assert status_page(exporter.pollers).accounts[0].departures_frozen

                api.answers["summary"] = body(summary(rows_of("ann")))
                await clock.sleep(MINUTE)
                assert exporter.value("exporter_departures_frozen") == 0
                assert exporter.users() == {"ann": 3}

    logged = [(one["event"], one["log_level"]) for one in events if "departures" in one["event"]]
    assert logged == [("departures.frozen", "warning"), ("departures.resumed", "info")]


@in_fake_time
async def test_a_reload_forgets_no_frozen_departures() -> None:
    """What was found of an account outlives its pollers."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([*rows_of("ann"), NAMELESS]))
        async with polling_in(runtime, settings_for(api)):
            await clock.sleep(3 * MINUTE)
        async with polling_in(runtime, settings_for(api)) as exporter:
            assert exporter.value("exporter_departures_frozen") == 1


# The log ---------------------------------------------------------------------------------------


@in_fake_time
async def test_the_log_has_the_first_poll_and_each_change_of_the_counts_by_level() -> None:
    """A healthy exporter says what it sees, once, and names no user."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([*rows_of("ann", "bob"), row("cat")]))
        with capture_logs() as events:
            async with polling_in(runtime, settings_for(api)):
                await clock.sleep(3 * MINUTE)
                changed = rows_of("ann", last_event="2026-02-02T00:00:00Z")
                api.answers["summary"] = body(summary([*changed, *rows_of("bob"), row("cat")]))
                await clock.sleep(3 * MINUTE)
                api.answers["summary"] = body(summary(rows_of("ann")))
                await clock.sleep(3 * MINUTE)

    logged = [one for one in events if one["event"] in {"summary.first_polled", "levels.changed"}]
    levels = {"low": 1, "medium": 0, "high": 2, "unknown": 0}
    about = {"account": "acme", "log_level": "info"}
    assert logged == [
        {"event": "summary.first_polled", **about, "listed": 3, **levels},
        {"event": "levels.changed", **about, "listed": 1, **levels, "low": 0, "high": 1},
    ]


# Commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "problem"), [(0, None), (1, None), (2, "2 of 11"), (11, "")])
def test_once_and_check_fail_where_more_than_a_tenth_of_the_rows_is_unreadable(
    broken: int, problem: str | None
) -> None:
    """They are what a cron job goes by, so they say how many of how many."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with scripted_api() as api:
            good = rows_of(*(f"u{number}" for number in range(11 - broken)))
            bad = rows_of(*(f"b{number}" for number in range(broken)), event_count="3")
            api.answers["summary"] = body(summary([*good, *bad]))
            once = await poll_once(settings_for(api), clock=clock)
            findings = await check(settings_for(api), clock=clock)

        failed: tuple[str, ...] = ()
        if problem is not None:
            said = f"{problem} rows could not be read" if problem else "bad_response"
            failed = (f"acme: summary ({said})",)
        assert once.failed == failed
        wrong = {one.subject: one.message for one in findings if one.verdict is Verdict.WRONG}
        assert bool(wrong) is bool(failed)
        if problem:
            assert wrong == {"answers": f"rows that could not be read: list_summary {problem}"}

    story()
