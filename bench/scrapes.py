"""A scrape over loopback, as a client sees it: alone, and while polls go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from bench.process import read_metrics, scrape_ms, settle
from bench.report import AtMost, Goal, Row, TimesBaseline, TimesLess
from bench.rivals import Rival, measure_go, measure_nginx
from bench.world import Plan, Running, World, run_exporter
from tests.support.processes import until

_NEVER_SECONDS = 3_600.0
_HOLD_GOAL = AtMost(20, "ms")
_TEXT = "text/plain;version=0.0.4"
_SCRAPES_A_WINDOW = 100
_START_REST_SECONDS = 3.0  # the watch keeps its process busy, so that it never settles


@dataclass(frozen=True, slots=True)
class ScrapeCosts:
    """What scrapes of the idle exporter cost, and those of its rivals; None where one is missing."""

    gzip_ms: Sequence[float]
    plain_ms: Sequence[float]
    gzip_mb: float
    plain_mb: float
    nginx: Rival | None
    golang: Rival | None


async def measure_scrapes(world: World, plan: Plan) -> ScrapeCosts:
    """Scrape an exporter that polled once, then its rivals with what it served."""
    async with run_exporter(world, poll_seconds=_NEVER_SECONDS) as ours:
        await settle(ours.pid)
        gzip_ms = await scrape_ms(ours.port, gzip=True, runs=plan.scrapes)
        plain_ms = await scrape_ms(ours.port, gzip=False, runs=plan.scrapes)
        gzip = await asyncio.to_thread(read_metrics, ours.port, gzip=True)
        plain = await asyncio.to_thread(read_metrics, ours.port)
        text = await asyncio.to_thread(read_metrics, ours.port, accept=_TEXT)
    folder, runs = world.folder, plan.rival_runs
    return ScrapeCosts(
        gzip_ms=gzip_ms,
        plain_ms=plain_ms,
        gzip_mb=len(gzip) / 1e6,
        plain_mb=len(plain) / 1e6,
        nginx=await measure_nginx(folder, plain=plain, gzip=gzip, runs=plan.scrapes),
        golang=await measure_go(folder, text=text, runs=runs) if runs else None,
    )


def scrape_rows(world: World, costs: ScrapeCosts, naive: Rival | None) -> list[Row]:
    """Each encoding against each rival, and the bodies."""
    rivals: list[tuple[str, Rival | None, Goal | None, Goal | None]] = [
        ("nginx", costs.nginx, TimesBaseline(1.5), TimesBaseline(1.5)),
        ("prometheus-client", naive, TimesLess(1_000), TimesLess(500)),
        ("client_golang", costs.golang, None, None),
    ]
    rows = []
    for against, rival, gzip_goal, plain_goal in rivals:
        if rival is None:
            continue
        for what, values, baseline, goal in (
            ("scrape, gzip", costs.gzip_ms, rival.gzip_ms, gzip_goal),
            ("scrape, plain", costs.plain_ms, rival.plain_ms, plain_goal),
        ):
            rows.append(Row(what, world.size, tuple(values), "ms", goal, baseline, against))
    return [
        *rows,
        *_limit_rows(world, costs, naive),
        Row("body, gzip", world.size, (costs.gzip_mb,), "MB"),
        Row("body, plain", world.size, (costs.plain_mb,), "MB"),
    ]


def _limit_rows(world: World, costs: ScrapeCosts, naive: Rival | None) -> list[Row]:
    """How far sending bytes that lie ready is from prometheus-client: nobody gets further."""
    if costs.nginx is None or naive is None:
        return []
    pairs = (
        ("gzip", costs.nginx.gzip_ms, naive.gzip_ms),
        ("plain", costs.nginx.plain_ms, naive.plain_ms),
    )
    return [
        Row(
            f"scrape, {name}, nginx alone",
            world.size,
            (ms,),
            "ms",
            None,
            baseline,
            "prometheus-client",
        )
        for name, ms, baseline in pairs
    ]


async def measure_under_polls(world: World, plan: Plan, naive: Rival | None) -> list[Row]:
    """Scrape ten times a second while one user in a hundred changes at every poll."""
    path = world.folder / "holds"
    watched = run_exporter(world, "bench.watched", str(path), poll_seconds=plan.poll_seconds)
    async with watched as ours:
        await asyncio.sleep(_START_REST_SECONDS)
        before_serving, first_poll = _holds(path)[0], await _next_hold_ms(ours, path)
        async with _unrest(world, plan):
            windows = [
                await scrape_ms(ours.port, gzip=True, runs=_SCRAPES_A_WINDOW)
                for _ in range(plan.windows)
            ]
            later = await _next_hold_ms(ours, path)
        os.kill(ours.pid, signal.SIGHUP)
        await asyncio.sleep(_START_REST_SECONDS)
        reload = await _next_hold_ms(ours, path)
    p99 = tuple(quantiles(window, n=100)[98] for window in windows)
    return [
        _row("scrape p99 while polls run", world, p99, AtMost(25, "ms"), naive),
        _row("longest hold of the first poll, CPU", world, (first_poll,), _HOLD_GOAL, naive),
        _row("longest hold of later polls, CPU", world, (later,), _HOLD_GOAL, naive),
        Row("longest hold before serving, CPU", world.size, (before_serving,), "ms", _HOLD_GOAL),
        Row("longest hold of a reload, CPU", world.size, (reload,), "ms", _HOLD_GOAL),
    ]


def _row(
    what: str, world: World, values: tuple[float, ...], goal: Goal, naive: Rival | None
) -> Row:
    """Against the CPU of a naive scrape, which is how long one of those holds everything up."""
    if naive is None:
        return Row(what, world.size, values, "ms", goal)
    return Row(what, world.size, values, "ms", goal, naive.cpu_ms, "prometheus-client")


@asynccontextmanager
async def _unrest(world: World, plan: Plan) -> AsyncIterator[None]:
    async def change_for_ever() -> None:
        while True:
            await world.trigger_events(max(1, world.size // 100))
            await asyncio.sleep(plan.poll_seconds)

    async with asyncio.TaskGroup() as tasks:
        changing = tasks.create_task(change_for_ever())
        yield
        changing.cancel()


async def _next_hold_ms(running: Running, path: Path) -> float:
    known = len(_holds(path))
    os.kill(running.pid, signal.SIGUSR1)

    async def read() -> list[float]:
        return _holds(path)

    return (await until(read, lambda holds: len(holds) > known))[-1]


def _holds(path: Path) -> list[float]:
    if not path.exists():
        return []
    return [float(line) for line in path.read_text(encoding="ascii").splitlines()]
