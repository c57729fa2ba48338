"""A real Prometheus that scrapes 100,000 users every fifteen seconds, for minutes."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.goals import AtMost
from bench.process import resident_megabytes, settle
from bench.report import Row, markdown_table
from bench.world import World, open_world, run_exporter
from tests.support.prometheus import Prometheus, run_prometheus, scrape_config

_SCRAPE_SECONDS = 15
_POLL_SECONDS = 60.0
_CHANGED_SHARE = 0.001
_FIRST_SCRAPES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Ranges:
    """What Prometheus recorded of its scrapes, and what memory the exporter had meanwhile."""

    duration_seconds: Sequence[float]
    samples: Sequence[float]
    up: Sequence[float]
    resident_mb: Sequence[float]


def run(*, users: int, minutes: float) -> str:
    """Scrape for so long while a poll a minute finds one user in a thousand changed; a table."""
    ranges = asyncio.run(_measure(users, minutes))
    return markdown_table(_rows(ranges, users))


async def _measure(users: int, minutes: float) -> _Ranges:
    async with (
        open_world(users) as world,
        run_exporter(world, poll_seconds=_POLL_SECONDS) as ours,
    ):
        await settle(ours.pid)
        scraped = scrape_config(
            f"http://127.0.0.1:{ours.port}", interval=f"{_SCRAPE_SECONDS}s", scrape_timeout="10s"
        )
        async with run_prometheus(world.folder / "prometheus", scraped) as prometheus:
            await prometheus.until("up == 1", bool, within_seconds=_FIRST_SCRAPES_SECONDS)
            began = time.time()
            resident_mb = await _live(world, ours.pid, minutes=minutes)
            return await _read(prometheus, began, resident_mb)


async def _live(world: World, pid: int, *, minutes: float) -> list[float]:
    """Let things change for so long; the exporter's memory after each poll interval."""
    resident_mb = [resident_megabytes(pid)]
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        await world.trigger_events(max(1, round(world.size * _CHANGED_SHARE)))
        await asyncio.sleep(_POLL_SECONDS)
        resident_mb.append(resident_megabytes(pid))
    return resident_mb


async def _read(prometheus: Prometheus, began: float, resident_mb: Sequence[float]) -> _Ranges:
    ended = time.time()

    async def values(metric: str) -> list[float]:
        series = await prometheus.query_range(
            metric, start=began, end=ended, step_seconds=_SCRAPE_SECONDS
        )
        return [value for one in series for _, value in one.points]

    return _Ranges(
        duration_seconds=await values("scrape_duration_seconds"),
        samples=await values("scrape_samples_scraped"),
        up=await values("up"),
        resident_mb=resident_mb,
    )


def _rows(ranges: _Ranges, users: int) -> list[Row]:
    failed = ranges.up.count(0.0)
    durations = tuple(ranges.duration_seconds)
    first, last = ranges.resident_mb[0], ranges.resident_mb[-1]
    return [
        Row("scrapes", users, (len(ranges.up),), ""),
        Row("scrapes that failed", users, (failed,), "", AtMost(0, "scrapes")),
        Row("scrape_duration_seconds", users, durations, "s", AtMost(10, "s", always=True)),
        Row("first half of them", users, durations[: len(durations) // 2], "s"),
        Row("second half of them", users, durations[len(durations) // 2 :], "s"),
        Row("scrape_samples_scraped", users, tuple(ranges.samples), ""),
        Row("memory of the exporter at the start", users, (first,), "MB"),
        Row("memory, each minute", users, tuple(ranges.resident_mb), "MB"),
        Row("memory of the exporter at the end", users, (last,), "MB"),
    ]
