"""`_created` samples: with every counter and histogram in OpenMetrics, or with none."""

import re
from itertools import pairwise

import pytest

from exporter.app.runtime import Runtime
from exporter.app.status import scrape_now
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import account_settings, polling_in, runtime_of, settings_of
from tests.support.simulator import ADA, talk_to_simulator

_FAMILY_TYPE = re.compile(r"^# TYPE (\S+) (?:counter|histogram)$", re.MULTILINE)


def scraped(runtime: Runtime, *, openmetrics: bool = True) -> str:
    """Return a whole scrape."""
    scrape = scrape_now(runtime, openmetrics=openmetrics, gzip=False, names=None)
    return b"".join(scrape.pieces).decode()


def created_samples(text: str) -> dict[str, float]:
    """Return the `_created` samples of the families that can have them."""
    names = {f"{family.removesuffix('_total')}_created" for family in _FAMILY_TYPE.findall(text)}
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {
        series: float(value) for series, _, value in samples if series.partition("{")[0] in names
    }


@in_fake_time
async def test_every_counter_is_followed_by_since_when_it_counts() -> None:
    """Prometheus reads a family again for each counter whose `_created` is not the next line."""
    clock = LoopClock()
    async with (
        talk_to_simulator(clock=clock) as talk,
        runtime_of(clock) as runtime,
        polling_in(runtime, settings_of(talk.simulator.api_url, account_settings(talk))),
    ):
        await clock.sleep(1.0)
        await talk.order("events", user=ADA, behavior="imp_travel")
        await clock.sleep(120.0)
        lines = scraped(runtime).splitlines()

    counters = 0
    for line, following in pairwise(lines):
        series = line.partition(" # ")[0].rpartition(" ")[0]
        name, _, labels = series.partition("{")
        if name.endswith("_total") and not name.startswith(("#", "process_")):
            counters += 1
            created = name.removesuffix("_total") + "_created"
            assert following.startswith(f"{created}{{{labels} " if labels else f"{created} ")
    assert counters > 50
    assert any(line.startswith("cloudflare_zt_risk_user_events_created{") for line in lines)


@in_fake_time
async def test_since_when_a_user_counter_counts_never_changes_and_is_before_it_is_shown() -> None:
    """A later value would be a reset of the counter to Prometheus."""
    clock = LoopClock()
    settings_and_more = {"poll_interval": "10s"}
    async with (
        talk_to_simulator(clock=clock) as talk,
        runtime_of(clock) as runtime,
        polling_in(
            runtime,
            settings_of(talk.simulator.api_url, account_settings(talk), **settings_and_more),
        ),
    ):
        await clock.sleep(1.0)
        seen: dict[str, set[float]] = {}
        for _ in range(20):
            await talk.order("events", user=ADA, behavior="imp_travel")
            await clock.sleep(10.0)
            for series, since in created_samples(scraped(runtime)).items():
                if series.startswith("cloudflare_zt_risk_user_events_created"):
                    seen.setdefault(series, set()).add(since)
                    assert since <= clock.time()

    assert [len(values) for values in seen.values()] == [1]


@in_fake_time
async def test_created_series_can_be_switched_off_by_a_reload() -> None:
    """Some readers take them for metrics of their own."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        accounts = account_settings(talk)
        for created_series, some in (("true", True), ("false", False), ("true", True)):
            settings = settings_of(talk.simulator.api_url, accounts, created_series=created_series)
            async with polling_in(runtime, settings):
                await clock.sleep(1.0)
                await talk.order("events", user=ADA, behavior="imp_travel")
                await clock.sleep(120.0)
                assert bool(created_samples(scraped(runtime))) is some


@pytest.mark.parametrize("created_series", ["true", "false"])
@in_fake_time
async def test_the_text_format_has_no_created_series(created_series: str) -> None:
    """It has no such samples; as gauges they would only be more series."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk, runtime_of(clock) as runtime:
        settings = settings_of(
            talk.simulator.api_url, account_settings(talk), created_series=created_series
        )
        async with polling_in(runtime, settings):
            await clock.sleep(61.0)
            text = scraped(runtime, openmetrics=False)

    assert not created_samples(text)
    assert "_created{" not in text.replace("cloudflare_zt_risk_integration_created", "")
