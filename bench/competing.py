"""A tool that spends most of a token's quota, the exporter beside it, and the simulator's log.

In real time, over real HTTP; users, quota, window and intervals are a tenth of the real ones.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from aiohttp import ClientSession

from exporter.app.accounts import build_pollers
from exporter.app.runtime import open_runtime
from exporter.clock import SystemClock
from exporter.settings import Settings
from exporter.simulator import Scenario, Simulator, run_simulator

TENTH = 10
MINUTES = 20
WINDOW_SECONDS = 300 / TENTH
REQUESTS = 1200 // TENTH
TOOL_REQUESTS = 840 // TENTH

_ACTIVITY = {"events_per_minute": 100, "bursts_per_hour": 0, "resets_per_hour": 0}
"""As many in a tenth of the time, by a tenth of the users."""

_TOOL = "the other client"
_EXPORTER = "the exporter"


def run() -> list[str]:
    """Rows of a table: who asked, what was answered, how often."""
    counts = asyncio.run(_compete())
    return [
        f"| {who} | {status} | {count:,} | {count / (MINUTES / 5) * TENTH:,.0f} |"
        for (who, status), count in sorted(counts.items())
    ]


async def _compete() -> Mapping[tuple[str, int], int]:
    scenario = Scenario.model_validate(
        {
            "quota": {"requests": REQUESTS, "window": WINDOW_SECONDS},
            "accounts": [{"name": "acme", "users": 2_000 // TENTH, "activity": _ACTIVITY}],
        }
    )
    async with run_simulator(scenario) as simulator, asyncio.TaskGroup() as tasks:
        tool = tasks.create_task(_use_tool(simulator))
        await asyncio.sleep(WINDOW_SECONDS / 4)
        exporter = tasks.create_task(_export(simulator))
        await asyncio.sleep(MINUTES * 60 / TENTH)
        tool.cancel()
        exporter.cancel()
    counts: Counter[tuple[str, int]] = Counter()
    for one in simulator.log.counts():
        # Only the tool asks for a single integration; what it asks for does not exist.
        who = _TOOL if one.operation == "integration" else _EXPORTER
        counts[who, one.status or 0] += one.count
        counts[who, 429] += 0
    return counts


async def _use_tool(simulator: Simulator) -> None:
    """Ask evenly, and look at no header."""
    account_id = next(iter(simulator.account_ids.values()))
    url = f"{simulator.api_url}/accounts/{account_id}/zt_risk_scoring/integrations/{_NOBODYS}"
    headers = {"Authorization": f"Bearer {_token(simulator)}"}
    async with ClientSession() as session:
        while True:
            async with session.get(url, headers=headers) as answer:
                await answer.read()
            await asyncio.sleep(WINDOW_SECONDS / TOOL_REQUESTS)


async def _export(simulator: Simulator) -> None:
    accounts = [
        {"name": name, "account_id": account_id, "api_token": _token(simulator)}
        for name, account_id in simulator.account_ids.items()
    ]
    settings = Settings.model_validate(
        {
            "accounts": accounts,
            "api_url": simulator.api_url,
            "state": "memory:",
            "poll_interval": 60 / TENTH,
            "config_interval": 300 / TENTH,
        }
    )
    async with open_runtime(settings, clock=SystemClock()) as runtime:
        (poller,) = await build_pollers(settings, runtime)
        await poller.run(start_delay=0.0)


def _token(simulator: Simulator) -> str:
    return next(iter(simulator.tokens.values()))


_NOBODYS = "00000000-0000-4000-8000-000000000000"
