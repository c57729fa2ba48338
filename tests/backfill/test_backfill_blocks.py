"""The backfill in a real Prometheus, by way of promtool."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.commands import run_command
from tests.support.programs import require_program
from tests.support.prometheus import Prometheus, Sample, run_prometheus, scrape_config
from tests.support.road import Cloudflare, run_serve, run_simulation
from tests.support.simulator import ADA, STILL, Truth
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow

EVENTS = "cloudflare_zt_risk_events_total"
USER_EVENTS = "cloudflare_zt_risk_user_events_total"
STEP = 60

ACCOUNT: Json = {
    "name": "acme",
    "users": 60,
    "levels": {"low": 0.4, "medium": 0.3, "high": 0.2},
    "history": "9h",
    "activity": dict(STILL),
    "named_users": [
        {
            "user_id": ADA,
            "email": "ada@example.com",
            "events": [{"behavior": "imp_travel", "ago": "1h"}],
        }
    ],
}

Values = dict[tuple[str, ...], float]


@dataclass(frozen=True)
class Past:
    """A document, with the Unix seconds of its first and its last sample."""

    path: Path
    begin: int
    end: int


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Cloudflare]:
    """Run a simulated account of sixty users with nine hours of history and no new events."""
    path = write_yaml(folder / "scenario.yaml", {"accounts": [ACCOUNT]})
    async with run_simulation("--scenario", str(path)) as (_, cloudflare):
        yield cloudflare


async def backfill(cloudflare: Cloudflare, folder: Path, *flags: str) -> Past:
    """Write the document and create blocks where `run_prometheus` finds them."""
    path = folder / "past.om"
    environ = {**cloudflare.environ, "RISK_EXPORTER_STATE": "memory:"}
    ending = await run_command("backfill", "--output", str(path), *flags, **environ)
    assert ending.status == 0, ending.err
    await asyncio.to_thread(create_blocks, path, folder / "data")
    instants = [int(line.split()[-1]) for line in path.read_text().splitlines() if line[0] != "#"]
    return Past(path, min(instants), max(instants))


def create_blocks(document: Path, folder: Path) -> None:
    """Run promtool."""
    words = ("tsdb", "create-blocks-from", "openmetrics", "--quiet")
    subprocess.run([require_program("promtool"), *words, document, folder], check=True)


@asynccontextmanager
async def run_past(folder: Path) -> AsyncIterator[tuple[Past, Prometheus, Truth]]:
    """Run a Prometheus with the backfilled blocks only."""
    async with simulated(folder) as cloudflare:
        past = await backfill(cloudflare, folder)
        truth = await cloudflare.truth()
    async with run_prometheus(folder) as prometheus:
        yield past, prometheus, truth


def values(samples: Iterable[Sample], *labels: str) -> Values:
    """Return the values by some of the labels."""
    return {tuple(one.labels[label] for label in labels): one.value for one in samples}


def initial_events(truth: Truth) -> Values:
    """Return the number of events at the start, by behavior and level."""
    return {(one.behavior, one.risk_level): one.initial for one in truth.totals if one.initial}


def instants(truth: Truth) -> list[float]:
    """Return the time of each event."""
    return [event.timestamp for user in truth.users or () for event in user.events]


async def test_the_totals_at_the_end_are_all_events(tmp_path: Path) -> None:
    """Promtool drops samples that it cannot store without an error."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        samples = await prometheus.query(EVENTS, at=past.end - 1)
    assert values(samples, "behavior", "risk_level") == initial_events(truth)


async def test_the_growth_over_the_past_is_all_events(tmp_path: Path) -> None:
    """This is what a panel shows; the final fall to zero takes nothing away."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        samples = await prometheus.query(f"round(increase({EVENTS}[1d]))", at=past.end)
    assert values(samples, "behavior", "risk_level") == initial_events(truth)


async def test_at_any_moment_the_totals_are_the_events_until_then(tmp_path: Path) -> None:
    """Each event is counted at its time, rounded up to a step."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        hours = [past.begin + 60 * STEP * hour for hour in range(1, 8)]
        told = [(await prometheus.query(f"sum({EVENTS})", at=at))[0].value for at in hours]
    assert told == [sum(event <= at for event in instants(truth)) for at in hours]


async def test_a_graph_of_the_totals_has_no_gap(tmp_path: Path) -> None:
    """Prometheus ends a series five minutes after its last sample."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        found = await prometheus.query_range(
            EVENTS, start=past.begin, end=past.end, step_seconds=STEP
        )
    steps = (past.end - past.begin) // STEP + 1
    assert len(found) == len(initial_events(truth))
    assert {len(series.points) for series in found} == {steps}


async def test_every_users_counters_reach_their_events(tmp_path: Path) -> None:
    """They have few samples, but one at every increment."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        samples = await prometheus.query(f"max_over_time({USER_EVENTS}[1d])", at=past.end)
    expected = Counter(
        (user.user_id, event.behavior, event.risk_level)
        for user in truth.users or ()
        for event in user.events
    )
    assert values(samples, "user_id", "behavior", "risk_level") == expected


async def test_a_users_single_event_increases_their_counter_by_one(tmp_path: Path) -> None:
    """`increase` extrapolates, and would return two for a counter with only two samples."""
    async with run_past(tmp_path) as (past, prometheus, truth):
        (event,) = truth.user(ADA).events
        grown = f'round(increase({USER_EVENTS}{{user_id="{ADA}"}}[1h]))'
        samples = await prometheus.query(grown, at=event.timestamp + 1800)
    assert event.timestamp + 1800 < past.end
    assert [sample.value for sample in samples] == [1]


async def test_past_and_present_are_one_series_that_loses_nothing(tmp_path: Path) -> None:
    """The exporter counts from zero: a reset at the seam to Prometheus, which it sees through.

    Ada's own counter even begins at three, above the one it ended with: without the zero in
    between two of them would be taken for known.
    """
    async with (
        simulated(tmp_path) as cloudflare,
        run_serve(cloudflare, tmp_path, RISK_EXPORTER_POLL_INTERVAL="1s") as exporter,
    ):
        labels = ["--label", "job=risk", "--label", f"instance={urlsplit(exporter.url).netloc}"]
        await backfill(cloudflare, tmp_path, *labels)
        async with run_prometheus(tmp_path, scrape_config(exporter.url)) as prometheus:
            await prometheus.until("cloudflare_zt_risk_up == 1")
            await cloudflare.order("events", user=ADA, behavior="imp_travel", count=3)
            await prometheus.until(f'{EVENTS}{{behavior="imp_travel"}} == 3')
            await prometheus.until(f'{USER_EVENTS}{{user_id="{ADA}"}} == 3')
            truth = await cloudflare.truth()
            grown = await prometheus.query(f"round(increase({EVENTS}[1d])) > 0")
            ada = await prometheus.query(f'round(increase({USER_EVENTS}{{user_id="{ADA}"}}[1d]))')
    expected = Counter(initial_events(truth))
    expected["imp_travel", "high"] += 3
    assert values(grown, "behavior", "risk_level") == expected
    assert [sample.value for sample in ada] == [4]
