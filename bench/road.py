"""The whole road, by real processes: a simulated Cloudflare, `serve`, and a reader of `/metrics`."""

import asyncio
from collections.abc import Sequence

from bench.plan import plan_for
from bench.polls import measure_polls
from bench.report import Row
from bench.rivals import measure_naive
from bench.scrapes import measure_scrapes, measure_under_polls, scrape_rows
from bench.world import open_world


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
