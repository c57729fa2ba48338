"""A real Prometheus that scrapes the exporter."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.population import Population
from bench.process import cpu_seconds, read_metrics, resident_megabytes, settle
from bench.report import AtMost, Row, markdown_table
from bench.rivals import run_nginx
from bench.world import Running, World, open_world, run_exporter
from exporter.exposition import Exposition
from exporter.logs import configure_logging
from exporter.settings import LogFormat, LogLevel
from tests.support.programs import require_program
from tests.support.prometheus import Prometheus, run_prometheus, scrape_config
from tests.support.web_server import serve_exposition

_SCRAPE_SECONDS = 15
_POLL_SECONDS = 60.0
_CHANGED_SHARE = 0.001
_FIRST_SCRAPES_SECONDS = 60.0
_BASELINE_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class _Ranges:
    """What Prometheus recorded of its scrapes; `first_seconds` is of the one that made all series."""

    first_seconds: float
    duration_seconds: Sequence[float]
    samples: Sequence[float]
    up: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Findings:
    """Its scrapes of the exporter, and of nginx where that is; the exporter's memory meanwhile."""

    ours: _Ranges
    nginx: _Ranges | None
    resident_mb: Sequence[float]


def measure_long_run(*, users: int, minutes: float) -> str:
    """Scrape for so long while a poll a minute finds one user in a thousand changed; a table."""
    return markdown_table(_rows(asyncio.run(_measure_long_run(users, minutes)), users))


async def _measure_long_run(users: int, minutes: float) -> _Findings:
    async with open_world(users) as world:
        async with run_exporter(world, poll_seconds=_POLL_SECONDS) as ours:
            await settle(ours.pid)
            resident_mb: list[float] = []

            async def live() -> None:
                resident_mb.extend(await _live(world, ours.pid, minutes=minutes))

            ranges = await _scrape(ours, world.folder / "prometheus", live)
            plain = await asyncio.to_thread(read_metrics, ours.port)
            gzip = await asyncio.to_thread(read_metrics, ours.port, gzip=True)
        async with run_nginx(world.folder, plain=plain, gzip=gzip) as nginx:
            if nginx is None:
                return _Findings(ranges, None, resident_mb)
            folder = world.folder / "prometheus-of-nginx"
            same = await _scrape(nginx, folder, lambda: asyncio.sleep(_BASELINE_SECONDS))
            return _Findings(ranges, same, resident_mb)


async def _scrape(
    running: Running, folder: Path, while_it_scrapes: Callable[[], Awaitable[None]]
) -> _Ranges:
    """Have a Prometheus of its own scrape `running` until that has returned."""
    scraped = scrape_config(
        f"http://127.0.0.1:{running.port}", interval=f"{_SCRAPE_SECONDS}s", scrape_timeout="10s"
    )
    async with run_prometheus(folder, scraped) as prometheus:
        await prometheus.until("up == 1", bool, within_seconds=_FIRST_SCRAPES_SECONDS)
        (first,) = await prometheus.query("scrape_duration_seconds")
        await asyncio.sleep(_SCRAPE_SECONDS)
        began = time.time()
        await while_it_scrapes()
        return await _read(prometheus, began, first_seconds=first.value)


async def _live(world: World, pid: int, *, minutes: float) -> list[float]:
    """Let things change for so long; the exporter's memory after each poll interval."""
    resident_mb = [resident_megabytes(pid)]
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        await world.trigger_events(max(1, round(world.size * _CHANGED_SHARE)))
        await asyncio.sleep(_POLL_SECONDS)
        resident_mb.append(resident_megabytes(pid))
    return resident_mb


async def _read(prometheus: Prometheus, began: float, *, first_seconds: float) -> _Ranges:
    ended = time.time()

    async def values(metric: str) -> list[float]:
        series = await prometheus.query_range(
            metric, start=began, end=ended, step_seconds=_SCRAPE_SECONDS
        )
        return [value for one in series for _, value in one.points]

    return _Ranges(
        first_seconds=first_seconds,
        duration_seconds=await values("scrape_duration_seconds"),
        samples=await values("scrape_samples_scraped"),
        up=await values("up"),
    )


def _rows(findings: _Findings, users: int) -> list[Row]:
    ours, resident_mb = findings.ours, tuple(findings.resident_mb)
    seconds = tuple(ours.duration_seconds)
    half = len(seconds) // 2
    first_baseline, baseline, against = None, None, ""
    if findings.nginx is not None:
        first_baseline = findings.nginx.first_seconds
        baseline = median(findings.nginx.duration_seconds)
        against = "nginx, the same bytes"
    goal = AtMost(10, "s", always=True)
    return [
        Row("scrapes", users, (len(ours.up),), ""),
        Row("scrapes that failed", users, (ours.up.count(0.0),), "", AtMost(0, "scrapes")),
        Row(
            "scrape_duration_seconds of the first, which makes all series",
            users,
            (ours.first_seconds,),
            "s",
            None,
            first_baseline,
            against,
        ),
        Row("scrape_duration_seconds", users, seconds, "s", goal, baseline, against),
        Row("first half of them", users, seconds[:half], "s", None, baseline, against),
        Row("second half of them", users, seconds[half:], "s", None, baseline, against),
        Row("scrape_samples_scraped", users, tuple(ours.samples), ""),
        Row("memory of the exporter at the start", users, resident_mb[:1], "MB"),
        Row("memory, each minute", users, resident_mb, "MB"),
        Row("memory of the exporter at the end", users, resident_mb[-1:], "MB"),
    ]


_FEATURE = "--enable-feature=created-timestamp-zero-ingestion"
_CREATED_SCRAPE_SECONDS = 10
_SCRAPES = 5
_FIRST_SCRAPE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Case:
    """One Prometheus and one exposition."""

    users: int
    created_shown: bool
    is_ingesting: bool

    @property
    def name(self) -> str:
        """What the table calls it."""
        samples = "_created" if self.created_shown else "no _created"
        return f"{samples}, ingestion {'on' if self.is_ingesting else 'off'}"


def measure_created(*, users: int, program: Path | None) -> str:
    """Scrape each case some times; the version of Prometheus, and a table.

    `program` is the Prometheus to run; None: the one on PATH.
    """
    configure_logging(level=LogLevel.WARNING, log_format=LogFormat.JSON)
    if program is not None:
        os.environ["PATH"] = f"{program.resolve().parent}{os.pathsep}{os.environ['PATH']}"
    few = users // 10
    cases = (
        _Case(users, created_shown=True, is_ingesting=True),
        _Case(users, created_shown=True, is_ingesting=False),
        _Case(users, created_shown=False, is_ingesting=False),
        _Case(few, created_shown=True, is_ingesting=True),
        _Case(few, created_shown=False, is_ingesting=True),
    )
    rows = [row for case in cases for row in asyncio.run(_measure_case(case))]
    return f"{_version()}\n\n{markdown_table(rows)}"


async def _measure_case(case: _Case) -> list[Row]:
    exposition = Exposition()
    exposition.created_shown = case.created_shown
    await exposition.publish(Population(case.users).snapshot(), changed=None)
    with TemporaryDirectory(prefix="bench-") as name:
        async with (
            serve_exposition(exposition) as served,
            run_prometheus(
                Path(name),
                scrape_config(served.server.url, interval=f"{_CREATED_SCRAPE_SECONDS}s"),
                flags=(_FEATURE,) if case.is_ingesting else (),
            ) as prometheus,
        ):
            await prometheus.until("up == 1", within_seconds=_FIRST_SCRAPE_SECONDS)
            used, began = cpu_seconds(prometheus.pid), time.time()
            await asyncio.sleep(_SCRAPES * _CREATED_SCRAPE_SECONDS)
            used, ended = cpu_seconds(prometheus.pid) - used, time.time()
            (durations,) = await prometheus.query_range(
                "scrape_duration_seconds",
                start=began,
                end=ended,
                step_seconds=_CREATED_SCRAPE_SECONDS,
            )
    seconds: Sequence[float] = [value for _, value in durations.points]
    return [
        Row(f"CPU of Prometheus a scrape, {case.name}", case.users, (used / _SCRAPES,), "s"),
        Row(f"scrape_duration_seconds, {case.name}", case.users, (median(seconds),), "s"),
    ]


def _version() -> str:
    """Return the first line of what Prometheus says of its version."""
    told = subprocess.run(
        [require_program("prometheus"), "--version"], check=True, capture_output=True, text=True
    )
    return (told.stdout or told.stderr).splitlines()[0]
