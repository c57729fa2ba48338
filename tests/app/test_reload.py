"""Reading the configuration again while polls are under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web

from exporter.app.serving import serve
from exporter.settings import Settings
from tests.support.answers import summary
from tests.support.polling import settings_of
from tests.support.processes import until
from tests.support.scripted_api import ACCOUNT_ID, ScriptedApi, scripted_api

RELOADS = 100


@dataclass
class Slow:
    """An API whose summaries take until `released`; how many began, ended and were given up."""

    api: ScriptedApi
    released: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    ended: int = 0

    async def answer(self, _: web.Request) -> web.StreamResponse:
        """Answer a summary when that is allowed."""
        self.begun += 1
        await self.released.wait()
        self.ended += 1
        return web.Response(body=summary([]), content_type="application/json")

    async def count_begun(self) -> int:
        """How many summaries were asked for."""
        return self.begun

    async def count_ended(self) -> int:
        """How many were answered."""
        return self.ended


@dataclass
class Reloaded:
    """A running exporter, the settings of its next reload, and a client of it."""

    settings: Settings
    client: httpx.AsyncClient

    async def reload(self) -> None:
        """Post to the reload path."""
        reply = await self.client.post("/-/reload")
        assert reply.status_code == 200, reply.text

    async def metrics(self) -> str:
        """What a scrape gives now."""
        return (await self.client.get("/metrics")).text


def settings_at(api: ScriptedApi, **values: object) -> Settings:
    """One account, polled every second, reloaded by HTTP."""
    account = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}
    given: dict[str, object] = {"poll_interval": "1s", "config_interval": "1h", **values}
    return settings_of(api.url, [account], listen="127.0.0.1:0", enable_lifecycle=True, **given)


@asynccontextmanager
async def reloaded(**values: object) -> AsyncIterator[tuple[Slow, Reloaded]]:
    """Serve by these settings, with a summary under way."""
    async with scripted_api() as api, asyncio.TaskGroup() as tasks:
        slow = Slow(api)
        api.answers["summary"] = slow.answer
        started = asyncio.get_running_loop().create_future()
        settings = settings_at(api, **values)
        held: list[Reloaded] = []
        serving = tasks.create_task(
            serve(settings, on_ready=started.set_result, load=lambda: held[0].settings)
        )
        async with httpx.AsyncClient(base_url=await started, trust_env=False) as client:
            held.append(Reloaded(settings, client))
            await until(slow.count_begun, lambda count: count == 1)
            yield slow, held[0]
        slow.released.set()
        serving.cancel()


async def test_reloads_without_a_change_leave_polls_alone() -> None:
    """Each used to cancel the poll under way: one a second stopped polling, with up still 1."""
    async with reloaded() as (slow, exporter):
        for _ in range(RELOADS):
            await exporter.reload()
        assert slow.begun == 1
        slow.released.set()
        await until(slow.count_ended, lambda count: count >= 2)
        text = await exporter.metrics()
    assert 'cloudflare_zt_risk_up{account="acme"} 1' in text
    assert "config_last_reload_successful 1.0" in text
    assert 'code="cancelled"' not in text


async def test_a_reload_with_a_change_lets_the_poll_under_way_end() -> None:
    """What was sent is answered and recorded; the next poll keeps its place in the schedule."""
    async with reloaded(poll_interval="300s") as (slow, exporter):
        exporter.settings = settings_at(slow.api, poll_interval="300s", users_limit=5)
        reloading = asyncio.create_task(exporter.reload())
        await exporter.metrics()
        assert not reloading.done()
        slow.released.set()
        await reloading
        text = await exporter.metrics()
        assert 'cloudflare_zt_risk_up{account="acme"} 1' in text
        assert (slow.begun, slow.ended) == (1, 1)


async def test_changing_reloads_do_not_stop_polling() -> None:
    """Each restarts the account, and none moves the poll that is due."""
    async with reloaded() as (slow, exporter):
        slow.released.set()
        limit = 0
        while slow.ended < 3:
            limit += 1
            exporter.settings = settings_at(slow.api, users_limit=limit)
            await exporter.reload()
        text = await exporter.metrics()
    assert limit > 3
    assert 'cloudflare_zt_risk_up{account="acme"} 1' in text
