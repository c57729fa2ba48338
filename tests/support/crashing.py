"""An exporter that is killed at any moment and started again, and the reader who watches it."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import free_port, until

_COUNTERS = (
    "cloudflare_zt_risk_events_total",
    "cloudflare_zt_risk_level_changes_total",
    "cloudflare_zt_risk_resets_total",
    "cloudflare_zt_risk_user_events_total",
)

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, Labels]


@dataclass
class Witness:
    """Who scrapes all the time: the highest value ever seen of each counter, and every fall."""

    scrapes: int = 0
    highest: dict[Series, float] = field(default_factory=dict)
    falls: list[tuple[Series, float, float]] = field(default_factory=list)

    def read(self, text: str) -> dict[Series, float]:
        """Take in one scrape; its counters."""
        self.scrapes += 1
        seen = dict(_counters(text))
        for series, value in seen.items():
            before = self.highest.get(series, 0.0)
            if value < before:
                self.falls.append((series, before, value))
            self.highest[series] = max(before, value)
        return seen


def _counters(text: str) -> Iterable[tuple[Series, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in _COUNTERS:
                yield (sample.name, tuple(sorted(sample.labels.items()))), sample.value


def by_behavior_and_level(seen: dict[Series, float]) -> dict[tuple[str, str], int]:
    """The account's event totals of one scrape; pairs that stand at zero are left out."""
    totals = {}
    for (name, labels), value in seen.items():
        if name == "cloudflare_zt_risk_events_total" and value:
            by_name = dict(labels)
            totals[by_name["behavior"], by_name["risk_level"]] = int(value)
    return totals


class FragileExporter:
    """`serve` as a process that can be killed, always at the same port and with the same state.

    Told of the API by environment alone, as a person would in a second terminal.
    """

    def __init__(self, environ: dict[str, str], *, folder: Path) -> None:
        self.witness = Witness()
        self.killed_at: list[float] = []
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = folder / "serve.log"
        self._command = (
            *(sys.executable, "-m", "exporter", "serve"),
            *("--listen", self.url.removeprefix("http://")),
            *("--state", f"sqlite:{folder / 'state.db'}"),
            *("--poll-interval", "1s", "--config-interval", "2s", "--api-share", "1"),
        )
        self._environ = environ
        self._client = httpx.AsyncClient(trust_env=False)
        self._process: asyncio.subprocess.Process | None = None

    async def close(self) -> None:
        """End it for good."""
        await self.kill()
        await self._client.aclose()

    async def start(self) -> None:
        """Start it; return when it answers."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environ, stdout=log, stderr=log
            )
        await until(self.scrape, lambda seen: seen is not None)

    async def kill(self) -> None:
        """`kill -9`, whatever it is doing."""
        if self._process is not None and self._process.returncode is None:
            self.killed_at.append(time.time())
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def scrape(self) -> dict[Series, float] | None:
        """Scrape once; None where nobody answers."""
        assert self._process is not None
        assert self._process.returncode is None, self._log.read_text()[-4000:]
        try:
            answer = await self._client.get(f"{self.url}/metrics")
        except httpx.TransportError:
            return None
        return self.witness.read(answer.text)

    async def gauge(self, name: str, **labels: str) -> float:
        """Return the sum of one gauge's samples with these labels now; -1 where there is none."""
        answer = await self._client.get(f"{self.url}/metrics", params={"name[]": name})
        samples = [
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if labels.items() <= sample.labels.items()
        ]
        return sum(samples) if samples else -1.0

    async def watch(self, seconds: float) -> None:
        """Scrape as fast as it answers, for so long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            await self.scrape()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def fragile_exporter(
    environ: dict[str, str], *, folder: Path
) -> AsyncIterator[FragileExporter]:
    """An exporter that is not started yet, and is ended after use."""
    exporter = FragileExporter(environ, folder=folder)
    try:
        yield exporter
    finally:
        await exporter.close()


async def crash_again_and_again(
    exporter: FragileExporter, *, kills: int, chance: random.Random
) -> None:
    """Start it, watch it for a random while, kill it."""
    for _ in range(kills):
        await exporter.start()
        await exporter.watch(chance.uniform(0.05, 2.5))
        await exporter.kill()
