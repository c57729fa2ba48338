"""A real Prometheus in front of `demo`: what a query answers is what the simulator knows."""

import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from tests.support.processes import until
from tests.support.programs import require_program
from tests.support.prometheus import Prometheus, Sample, run_prometheus, scrape_config
from tests.support.road import Exporter, run_demo
from tests.support.simulator import Truth

pytestmark = pytest.mark.slow

LEVELS = {"low", "medium", "high"}
Values = dict[tuple[str, ...], float]
Labels = tuple[tuple[str, str], ...]


@asynccontextmanager
async def run_watched_demo(folder: Path) -> AsyncIterator[tuple[Exporter, Prometheus]]:
    """Run a demo in which nothing more happens by itself, and a Prometheus that scrapes it.

    Entered once events were counted, so that there is something to compare.
    """
    async with (
        run_demo("--poll-interval", "1s") as demo,
        run_prometheus(folder, scrape_config(demo.url)) as prometheus,
    ):
        await prometheus.until("sum(cloudflare_zt_risk_events_total) > 0")
        await demo.cloudflare.order("pause")
        yield demo, prometheus


def above_zero(samples: Iterable[Sample], *labels: str) -> Values:
    """Return the values by some of the labels, those at zero left out."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in samples
        if sample.value
    }


def events_to_count(truth: Truth) -> Values:
    """Return what must have been counted, by behavior and level."""
    return {key: float(count) for key, count in truth.counted().items() if count}


async def test_users_by_level_are_those_of_the_summary(tmp_path: Path) -> None:
    """The first panel anybody builds must say what Cloudflare says."""
    async with run_watched_demo(tmp_path) as (demo, prometheus):
        listed = Counter((await demo.cloudflare.summary()).values())
        expected = {(level,): float(count) for level, count in listed.items()}
        await prometheus.until(
            "sum by (risk_level) (cloudflare_zt_risk_users)",
            lambda samples: above_zero(samples, "risk_level") == expected,
        )
    assert set(listed) == LEVELS


async def test_events_are_the_simulators_own_count(tmp_path: Path) -> None:
    """Each event after the baseline counts once, and those before it never."""
    async with run_watched_demo(tmp_path) as (demo, prometheus):

        async def compare() -> tuple[Values, Values, int]:
            samples = await prometheus.query("cloudflare_zt_risk_events_total")
            truth = await demo.cloudflare.truth()
            unread = sum(
                not (event.shown or event.erased)
                for user in truth.users or ()
                for event in user.events
            )
            told = above_zero(samples, "behavior", "risk_level")
            return told, events_to_count(truth), unread

        told, _, _ = await until(compare, lambda seen: seen[0] == seen[1] and not seen[2])
    assert told


async def test_a_reset_user_leaves_prometheus_and_the_reset_is_counted(tmp_path: Path) -> None:
    """A cleared score that lingered would keep somebody awake over nothing."""
    async with run_watched_demo(tmp_path) as (demo, prometheus):
        user_id = next(iter(await demo.cloudflare.summary()))
        everything = f'{{user_id="{user_id}"}}'
        await prometheus.until(everything)
        await demo.cloudflare.order("reset", user=user_id)
        await prometheus.until(everything, lambda samples: not samples)

        async def resets() -> tuple[float | None, int]:
            told = await prometheus.value("cloudflare_zt_risk_resets_total")
            return told, (await demo.cloudflare.truth()).resets_counted

        # Both stand at zero until the exporter has asked once more why the user is gone.
        told, _ = await until(resets, lambda seen: seen[0] == seen[1] != 0)
    assert told is not None
    assert told >= 1


async def test_both_formats_are_taken_and_say_the_same(tmp_path: Path) -> None:
    """Prometheus prefers OpenMetrics; other scrapers know the text format alone."""
    own = Relay()
    text = Relay(accept="text/plain;version=0.0.4")
    async with (
        run_demo() as demo,
        own.run(demo.url) as own_url,
        text.run(demo.url) as text_url,
        run_prometheus(
            tmp_path, scrape_config(own_url, job="own"), scrape_config(text_url, job="text")
        ) as prometheus,
    ):
        await prometheus.until('cloudflare_zt_risk_user_events_total{job="own"}')
        await demo.cloudflare.order("pause")

        async def read() -> tuple[dict[Labels, float], dict[Labels, float]]:
            return await risk_series(prometheus, "own"), await risk_series(prometheus, "text")

        await until(read, lambda seen: seen[0] == seen[1] != {})
    assert {kind.split(";")[0] for kind in own.served} == {"application/openmetrics-text"}
    assert {kind.split(";")[0] for kind in text.served} == {"text/plain"}


async def risk_series(prometheus: Prometheus, job: str) -> dict[Labels, float]:
    """Return every series of the accounts that one job scraped, whichever the format."""
    samples = await prometheus.query(
        '{__name__=~"cloudflare_zt_risk_.*", '  # creation times are OpenMetrics' alone
        f'__name__!~"cloudflare_zt_risk_exporter_.*|.*_created", job="{job}"}}'
    )
    return {
        tuple(item for item in sample.labels.items() if item[0] not in {"instance", "job"}): (
            sample.value
        )
        for sample in samples
    }


async def test_promtool_has_nothing_against_the_metrics() -> None:
    """Its rules are the field's conventions: units, suffixes, help for everything."""
    async with run_demo() as demo:
        await until(lambda: demo.get("/-/ready"), lambda answer: answer.is_success)
        metrics = await demo.get("/metrics")
    assert complaints_about(metrics.content) == ""


def complaints_about(metrics: bytes) -> str:
    """Return what `promtool check metrics` says."""
    checked = subprocess.run(
        [str(require_program("promtool")), "check", "metrics"],
        input=metrics,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout.decode()
    return checked.stdout.decode()


@dataclass
class Relay:
    """Passes scrapes on to an exporter, asking for a format of its choice.

    No Prometheus before 2.49 can be told which format to ask for. `served` are the content
    types that were answered.
    """

    accept: str | None = None
    served: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def run(self, url: str) -> AsyncIterator[str]:
        """Serve on loopback in front of the exporter at `url`; gives the URL to scrape."""
        async with httpx.AsyncClient(trust_env=False) as client:

            async def pass_on(request: web.Request) -> web.Response:
                wanted = self.accept or request.headers["Accept"]
                answer = await client.get(f"{url}/metrics", headers={"Accept": wanted})
                self.served.add(answer.headers["Content-Type"])
                return web.Response(
                    body=answer.content, headers={"Content-Type": answer.headers["Content-Type"]}
                )

            app = web.Application()
            app.router.add_get("/metrics", pass_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()
