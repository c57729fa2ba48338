"""The exporter without its web server, polling for real over loopback, and what it would show."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from exporter.app.accounts import build_pollers
from exporter.app.runtime import Runtime
from exporter.app.status import scrape_now
from exporter.clock import Clock
from exporter.cloudflare.client import open_session
from exporter.exposition import Exposition
from exporter.polling.account import AccountPoller
from exporter.polling.backoff import start_delay
from exporter.scrape_priority import ScrapePriority
from exporter.settings import Settings
from exporter.store import MemoryStore, Store
from exporter.telemetry import Telemetry
from tests.support.simulator import Talk

PREFIX = "cloudflare_zt_risk_"
SCRAPE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a scrape, its labels without the account's where there is only one."""

    name: str
    labels: Mapping[str, str]
    value: float


class Exporter:
    """Pollers at work, and what a scrape would be answered now."""

    def __init__(self, runtime: Runtime, pollers: Sequence[AccountPoller]) -> None:
        self.runtime = runtime
        self.pollers = pollers

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """All samples of this name, its prefix left out, that have these labels."""
        return [
            one
            for one in self._all()
            if one.name == PREFIX + name and labels.items() <= one.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample of this name that has these labels; None where there is none."""
        values = [one.value for one in self.samples(name, **labels)]
        assert len(values) <= 1, f"{len(values)} samples of {name}"
        return values[0] if values else None

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name that have these labels."""
        return sum(one.value for one in self.samples(name, **labels))

    def users(self) -> dict[str, float]:
        """The level of each user that has series."""
        return {one.labels["user_id"]: one.value for one in self.samples("user_level")}

    def _all(self) -> list[Sample]:
        scrape = scrape_now(self.runtime, openmetrics=False, gzip=False, names=None)
        text = b"".join(scrape.pieces).decode()
        return [
            Sample(one.name, one.labels, one.value)
            for family in text_string_to_metric_families(text)
            for one in family.samples
        ]


def account_settings(talk: Talk, *, token: str | None = None) -> list[dict[str, object]]:
    """All accounts of a simulator, each with the token of this name, or the first."""
    tokens = talk.simulator.tokens
    value = next(iter(tokens.values())) if token is None else tokens[token]
    return [
        {"name": name, "account_id": account_id, "api_token": value}
        for name, account_id in talk.simulator.account_ids.items()
    ]


def settings_of(api_url: str, accounts: Sequence[object], **values: object) -> Settings:
    """Settings with the defaults of an operator who names only what differs."""
    given = {"accounts": accounts, "api_url": api_url, "state": "memory:", **values}
    return Settings.model_validate(given)


@asynccontextmanager
async def runtime_of(clock: Clock, *, store: Store | None = None) -> AsyncIterator[Runtime]:
    """What pollers share, with a store of choice; its exposition outlives the pollers."""
    random.seed(1)
    scrape_priority = ScrapePriority(clock)
    async with open_session(connections=0) as session:
        yield Runtime(
            session=session,
            store=store or MemoryStore(),
            exposition=Exposition(pause=scrape_priority.yield_to_scrapes),
            telemetry=Telemetry(),
            scrape_priority=scrape_priority,
            clock=clock,
        )


@asynccontextmanager
async def polling_in(
    runtime: Runtime, settings: Settings, *, scrape_seconds: float = SCRAPE_SECONDS
) -> AsyncIterator[Exporter]:
    """Poll for as long as the block runs; a poller's bug ends the block.

    Meanwhile everything is scraped every `scrape_seconds`, as by Prometheus.
    """
    pollers = await build_pollers(settings, runtime)
    async with asyncio.TaskGroup() as group:
        scraping = group.create_task(_scrape(runtime, scrape_seconds))
        tasks = [
            group.create_task(
                poller.run(
                    start_delay=start_delay(position, len(pollers), interval=settings.poll_interval)
                )
            )
            for position, poller in enumerate(pollers)
        ]
        try:
            yield Exporter(runtime, pollers)
        finally:
            for task in (*tasks, scraping):
                task.cancel()


async def _scrape(runtime: Runtime, scrape_seconds: float) -> None:
    while True:
        await runtime.clock.sleep(scrape_seconds)
        scrape = runtime.exposition.scrape(openmetrics=True, gzip=True, names=None, telemetry=b"")
        scrape.carried()


@asynccontextmanager
async def polling(
    talk: Talk, clock: Clock, *, store: Store | None = None, **values: object
) -> AsyncIterator[Exporter]:
    """Poll all accounts of a simulator."""
    settings = settings_of(talk.simulator.api_url, account_settings(talk), **values)
    async with runtime_of(clock, store=store) as runtime, polling_in(runtime, settings) as one:
        yield one
