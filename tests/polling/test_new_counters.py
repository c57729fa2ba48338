"""New counters of users: shown at 0 until a scrape has carried that, so that growth can be seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.app.once import poll_once
from exporter.exposition import Scrape
from exporter.store import open_sqlite
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import (
    Exporter,
    account_settings,
    polling_in,
    runtime_of,
    settings_of,
)
from tests.support.simulator import ADA, BOB, Talk, talk_to_simulator

_NEVER = 1e9
_POLL_SECONDS = 60.0


@asynccontextmanager
async def unscraped(clock: LoopClock) -> AsyncIterator[tuple[Talk, Exporter]]:
    """A second after the first of the rare polls of an exporter that nothing scrapes."""
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        settings = settings_of(
            talk.simulator.api_url,
            account_settings(talk),
            poll_interval=f"{_POLL_SECONDS:g}",
        )
        async with polling_in(runtime, settings, scrape_seconds=_NEVER) as exporter:
            await clock.sleep(1.0)
            yield talk, exporter


def scrape(exporter: Exporter, *names: str) -> Scrape:
    """Begin a scrape, of some families alone where they are named."""
    return exporter.runtime.exposition.scrape(
        openmetrics=True, gzip=True, names=frozenset(names) or None, telemetry=b""
    )


async def until_counted(exporter: Exporter, clock: LoopClock, events: int) -> None:
    """Wait until the account has counted so many events, and they are shown."""
    while exporter.total("events_total") != events:
        await clock.sleep(5.0)


@in_fake_time
async def test_a_new_counter_is_zero_until_a_whole_scrape_has_carried_it() -> None:
    """`increase()` misses the events of a series that begins above 0."""
    clock = LoopClock()
    async with unscraped(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel", count=2)
        await until_counted(exporter, clock, 2)
        counted_at = clock.monotonic()
        assert [one.value for one in exporter.samples("user_events_total")] == [0]

        scrape(exporter)  # one that is never sent
        await clock.sleep(5.0)
        assert exporter.total("user_events_total") == 0

        scrape(exporter).carried()
        await clock.sleep(2.0)
        assert exporter.total("user_events_total", user_id=ADA) == 2
        assert clock.monotonic() - counted_at < 30.0  # long before the next poll


@in_fake_time
async def test_a_scrape_that_began_before_the_counter_was_shown_has_not_carried_it() -> None:
    """What is sent is what was shown when the scrape began."""
    clock = LoopClock()
    async with unscraped(clock) as (talk, exporter):
        early = scrape(exporter)
        await talk.order("events", user=ADA, behavior="imp_travel")
        await until_counted(exporter, clock, 1)
        early.carried()
        await clock.sleep(5.0)

        assert exporter.total("user_events_total") == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cloudflare_zt_risk_users", 0),
        ("cloudflare_zt_risk_user_events_total", 1),
        ("cloudflare_zt_risk_user_events_created", 1),
    ],
)
def test_a_scrape_of_other_families_has_not_carried_the_counters(name: str, shown: int) -> None:
    """`name[]` leaves families out."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with unscraped(clock) as (talk, exporter):
            await talk.order("events", user=ADA, behavior="imp_travel")
            await until_counted(exporter, clock, 1)
            scrape(exporter, name).carried()
            await clock.sleep(5.0)

            assert exporter.total("user_events_total") == shown

    story()


@in_fake_time
async def test_a_counter_that_nothing_scrapes_is_at_its_value_after_two_minutes() -> None:
    """It must not be 0 for good where somebody reads a single family."""
    clock = LoopClock()
    async with unscraped(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel")
        await until_counted(exporter, clock, 1)
        await clock.sleep(110.0)
        assert exporter.total("user_events_total") == 0

        await clock.sleep(12.0)
        assert exporter.total("user_events_total") == 1


@in_fake_time
async def test_only_the_new_counter_of_a_user_is_at_zero() -> None:
    """One that grows stays exact, or it would fall."""
    clock = LoopClock()
    async with unscraped(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel")
        await until_counted(exporter, clock, 1)
        scrape(exporter).carried()
        await talk.order("events", user=ADA, behavior="imp_travel")
        await talk.order("events", user=ADA, behavior="high_dlp")
        await until_counted(exporter, clock, 3)

        shown = {one.labels["behavior"]: one.value for one in exporter.samples("user_events_total")}
        assert shown == {"imp_travel": 2, "high_dlp": 0}


@in_fake_time
async def test_counters_from_the_state_are_not_new(tmp_path: Path) -> None:
    """At 0 they would have fallen."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        settings = settings_of(talk.simulator.api_url, account_settings(talk))
        async with open_sqlite(tmp_path / "state.db") as store:
            async with runtime_of(clock, store=store) as first, polling_in(first, settings):
                await clock.sleep(1.0)
                await talk.order("events", user=ADA, behavior="imp_travel")
                await clock.sleep(120.0)
            async with (
                runtime_of(clock, store=store) as second,
                polling_in(second, settings, scrape_seconds=_NEVER) as exporter,
            ):
                await clock.sleep(1.0)
                assert exporter.total("user_events_total") == 1


@in_fake_time
async def test_one_poll_alone_prints_every_counter_at_its_value(tmp_path: Path) -> None:
    """`once` is read by people, and no scrape follows."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        settings = settings_of(
            talk.simulator.api_url, account_settings(talk), state=f"sqlite:{tmp_path / 'state.db'}"
        )
        await poll_once(settings, clock=clock)
        await talk.order("events", user=BOB, behavior="imp_travel", count=3)
        once = await poll_once(settings, clock=clock)

    (line,) = (one for one in once.exposition.splitlines() if b"user_events_total{" in one)
    assert line.endswith(b" 3")
