"""The whole service as real processes: a simulated Cloudflare, `serve`, and a client of `/metrics`."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from bench.process import peak_megabytes, read_metrics, resident_megabytes, settle
from bench.report import AtMost, Goal, Row
from bench.rivals import Rival, measure_naive
from bench.scrapes import measure_scrapes, measure_under_polls, scrape_rows
from bench.world import Plan, Running, World, open_world, plan_for, run_exporter
from tests.support.processes import until

_SHARES: tuple[tuple[str, float, Goal], ...] = (
    ("0 %", 0.0, AtMost(120, "ms")),
    ("0.03 %", 0.0003, AtMost(300, "ms")),
    ("1 %", 0.01, AtMost(800, "ms")),
)
_LONGEST_SECONDS = 600.0
_EVENTS = "cloudflare_zt_risk_events_total"

Rivals: TypeAlias = Sequence[tuple[str, Rival]]


@dataclass(frozen=True, slots=True)
class _Poll:
    """One poll: CPU of the summary until it is shown, then of each user's details; API calls."""

    cpu_ms: float
    details_ms: float
    calls: int


async def measure_polls(world: World, plan: Plan, rivals: Rivals) -> list[Row]:
    """Poll a world in which some change, then wait for single events, then look at the memory."""
    naive = next((rival for name, rival in rivals if name == "prometheus-client"), None)
    async with run_exporter(world, poll_seconds=plan.poll_seconds) as ours:
        rows = []
        unchanged_ms = 0.0
        for name, share, goal in _SHARES:
            changed = _changed(world, share)
            polls = [
                await _poll(world, ours, plan, changed=changed, unchanged_ms=unchanged_ms)
                for _ in range(plan.polls)
            ]
            rows += _poll_rows(f"{name} changed", world, polls, changed, goal=goal, naive=naive)
            if not share:
                unchanged_ms = rows[-1].median
        rows.append(await _visible_row(world, ours, plan))
        rows += _memory_rows(world, ours.pid, rivals)
    return rows


def _changed(world: World, share: float) -> int:
    return max(1, round(world.size * share)) if share else 0


async def _poll(
    world: World, ours: Running, plan: Plan, *, changed: int, unchanged_ms: float
) -> _Poll:
    """Let users change right after one poll, and watch the next one and what follows from it."""
    await _next_summary(world)
    began = await settle(ours.pid)
    calls, summaries = await world.calls(), await world.calls("summary")
    details = await world.calls("user")
    late = plan.held_back_seconds
    await world.order("faults", kind="latency", operation="user", seconds=late)
    await world.trigger_events(changed)
    await _next_summary(world)
    shown = await settle(ours.pid)
    await world.clear_faults()
    await _until_asked(world, "user", details + changed)
    ended = await settle(ours.pid)
    more_summaries = await world.calls("summary") - summaries - 1
    details_ms = (ended - shown) * 1e3 - more_summaries * unchanged_ms
    return _Poll(
        cpu_ms=(shown - began) * 1e3,
        details_ms=details_ms / changed if changed else 0.0,
        calls=await world.calls() - calls - more_summaries,
    )


async def _next_summary(world: World) -> None:
    await _until_asked(world, "summary", await world.calls("summary") + 1)


async def _until_asked(world: World, operation: str, count: int) -> None:
    await until(
        lambda: world.calls(operation),
        lambda calls: calls >= count,
        within_seconds=_LONGEST_SECONDS,
    )


def _poll_rows(
    name: str,
    world: World,
    polls: Sequence[_Poll],
    changed: int,
    *,
    goal: Goal,
    naive: Rival | None,
) -> list[Row]:
    cpu_ms = tuple(poll.cpu_ms for poll in polls)
    baseline = None if naive is None else naive.cpu_ms
    against = "" if naive is None else "json and prometheus-client"
    poll = Row(f"poll, {name}, CPU", world.size, cpu_ms, "ms", goal, baseline, against)
    if not changed:
        return [poll]
    return [
        poll,
        Row(
            f"details of a user, {name}, CPU",
            world.size,
            tuple(one.details_ms for one in polls),
            "ms",
            AtMost(0.7, "ms"),
        ),
        Row(
            f"API calls of a poll, {changed:,} changed",
            world.size,
            tuple(one.calls for one in polls),
            "",
            AtMost(1 + changed, "calls"),
            1 + world.size,
            "a call for every user",
        ),
    ]


async def _visible_row(world: World, ours: Running, plan: Plan) -> Row:
    """From an event of somebody to the first scrape that counts it, whatever a poll was doing."""
    random = Random(1)
    seconds = []
    for _ in range(plan.polls):
        await settle(ours.pid)
        await asyncio.sleep(random.random() * plan.poll_seconds)
        seconds.append(await _seconds_until_visible(world, ours))
    goal = AtMost(plan.poll_seconds + 2, "s", always=True)
    what = f"event visible, polls every {plan.poll_seconds:g} s"
    return Row(what, world.size, tuple(seconds), "s", goal)


async def _seconds_until_visible(world: World, ours: Running) -> float:
    before = await _events(ours)
    began = time.perf_counter()
    await world.trigger_events(1)
    await until(lambda: _events(ours), lambda now: now > before, within_seconds=_LONGEST_SECONDS)
    return time.perf_counter() - began


async def _events(ours: Running) -> float:
    text = await asyncio.to_thread(read_metrics, ours.port, accept="text/plain", family=_EVENTS)
    families = text_string_to_metric_families(text.decode())
    return sum(sample.value for family in families for sample in family.samples)


def _memory_rows(world: World, pid: int, rivals: Rivals) -> list[Row]:
    resident, peak = (resident_megabytes(pid),), (peak_megabytes(pid),)
    goal = AtMost(220, "MB")
    what = "memory, ledger included"
    if not rivals:
        return [
            Row(what, world.size, resident, "MB", goal),
            Row("memory at its peak", world.size, peak, "MB"),
        ]
    return [
        *(
            Row(what, world.size, resident, "MB", goal, one.resident_mb, name)
            for name, one in rivals
        ),
        *(
            Row("memory at its peak", world.size, peak, "MB", None, one.peak_mb, name)
            for name, one in rivals
        ),
    ]


def run(sizes: Sequence[int]) -> list[Row]:
    """Measure at each number of users."""
    return [row for size in sizes for row in asyncio.run(_measure(size))]


async def _measure(size: int) -> list[Row]:
    plan = plan_for(size)
    async with open_world(size) as world:
        naive = await measure_naive(world, runs=plan.rival_runs) if plan.rival_runs else None
        costs = await measure_scrapes(world, plan)
        named = (("prometheus-client", naive), ("client_golang", costs.golang))
        rivals = [(name, rival) for name, rival in named if rival is not None]
        return [
            *scrape_rows(world, costs, naive),
            *await measure_under_polls(world, plan, naive),
            *await measure_polls(world, plan, rivals),
        ]
