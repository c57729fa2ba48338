"""What a publication and a scrape cost, against prometheus-client's generate_latest.

Sockets are left out: a scrape here is the joining of all its pieces.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from statistics import median

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as ClientFamily
from prometheus_client.registry import Collector

from bench.population import Population
from bench.report import AtMost, Row, TimesLess
from exporter.exposition import Exposition
from exporter.risk.model import AccountSnapshot
from tests.support.oracle import SnapshotCollector

_SHARES = {"0.03 %": 0.0003, "1 %": 0.01}
_NAIVE = "generate_latest"
_GOAL = TimesLess(500)
_OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def run(sizes: Sequence[int]) -> list[Row]:
    """Measure at each number of users."""
    return [row for size in sizes for row in asyncio.run(_measure(size))]


async def _measure(size: int) -> list[Row]:
    population = Population(size)
    exposition = Exposition()
    # As a process that has run for a while: what is there already is not collected again.
    gc.collect()
    gc.freeze()
    cpu_ms = await _cpu_ms(exposition.publish(population.snapshot(), changed=None))
    rows = [Row("publish all users, CPU", size, (cpu_ms,), "ms")]
    for name, share in _SHARES.items():
        runs = [await _cpu_ms(_prepare(exposition, population, share=share)) for _ in range(7)]
        rows.append(Row(f"publish {name} changed, CPU", size, tuple(runs), "ms"))
    holds = [
        await _longest_hold_ms(_prepare(exposition, population, share=share))
        for share in (*_SHARES.values(), 1)
    ]
    goal = AtMost(20, "ms", always=True)
    rows.append(
        Row("longest hold of the loop while publishing, CPU", size, tuple(holds), "ms", goal)
    )
    rows += _scrape_rows(exposition, population.snapshot())
    gc.unfreeze()
    return rows


def _prepare(
    exposition: Exposition, population: Population, *, share: float
) -> Coroutine[None, None, None]:
    """Change some users; what it then takes to publish them is left to be awaited."""
    changed = population.change(max(1, round(population.size * share)))
    return exposition.publish(population.snapshot(), changed=changed)


async def _cpu_ms(publication: Coroutine[None, None, None]) -> float:
    """Of the whole process, the threads that compress included."""
    began = time.process_time()
    await publication
    return (time.process_time() - began) * 1e3


async def _longest_hold_ms(publication: Coroutine[None, None, None]) -> float:
    """The longest turn of the loop, as somebody sees it who asks for every turn."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(watch())
        await asyncio.sleep(0)
        await publication
        watcher.cancel()
    return longest * 1e3


def _scrape_rows(exposition: Exposition, snapshot: AccountSnapshot) -> list[Row]:
    size = len(snapshot.users)
    naive_ms = _naive_ms(snapshot)
    rows = [Row("series", size, (exposition.series,), "")]
    for name, gzip in (("gzip", True), ("plain", False)):
        runs = _several(partial(_scrape_ms, exposition, gzip=gzip), runs=15)
        rows.append(
            Row(f"scrape without a socket, {name}", size, runs, "ms", _GOAL, naive_ms, _NAIVE)
        )
    return rows


def _several(measure: Callable[[], float], *, runs: int) -> tuple[float, ...]:
    return tuple(measure() for _ in range(runs))


def _scrape_ms(exposition: Exposition, *, gzip: bool) -> float:
    began = time.perf_counter()
    scrape = exposition.scrape(openmetrics=True, gzip=gzip, names=None, telemetry=b"")
    for _ in scrape.pieces:
        pass
    return (time.perf_counter() - began) * 1e3


class _Ready(Collector):
    """Families that were built before: the baseline pays for its exposition alone."""

    def __init__(self, families: Sequence[ClientFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[ClientFamily]:
        return iter(self._families)


def _naive_ms(snapshot: AccountSnapshot) -> float:
    registry = CollectorRegistry()
    registry.register(_Ready(list(SnapshotCollector([snapshot], openmetrics=True).collect())))
    generate_latest, _ = choose_encoder(_OPENMETRICS)

    def measure() -> float:
        began = time.perf_counter()
        generate_latest(registry)
        return (time.perf_counter() - began) * 1e3

    return median(_several(measure, runs=3))
