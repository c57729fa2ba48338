"""The web server on loopback, with answers that a test decides."""

import gzip as gzip_format
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import bcrypt
import httpx

from exporter.clock import Clock, SystemClock
from exporter.exposition import Exposition, Scrape
from exporter.scrape_priority import ScrapePriority
from exporter.settings import ListenAddress
from exporter.status import AccountStatus, StatusPage
from exporter.web import ConnectionTable, RequestPolicy, ScrapeLimits, WebConfig, WebServer, run_web

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass
class Sources:
    """What the server is told; every attribute may be changed while it runs."""

    pieces: Sequence[bytes] = (b"lamp_lit 1\n",)
    are_healthy: bool = True
    are_ready: bool = True
    problem: str | None = None
    accounts: tuple[AccountStatus, ...] = ()
    names: frozenset[str] | None = None
    reloads: int = 0
    on_reload: Callable[[], None] = field(default=lambda: None)

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Return `pieces` whatever is asked for, and keep `names`."""
        self.names = names
        pieces = [gzip_format.compress(b"".join(self.pieces))] if gzip else self.pieces
        return Scrape(
            content_type=OPENMETRICS if openmetrics else TEXT,
            length=sum(map(len, pieces)),
            pieces=iter(pieces),
        )

    def healthy(self) -> bool:
        """As the test says."""
        return self.are_healthy

    def ready(self) -> bool:
        """As the test says."""
        return self.are_ready

    def status(self) -> StatusPage:
        """As the test says."""
        return StatusPage(version="1.2.3", accounts=self.accounts)

    async def reload(self) -> str | None:
        """As the test says; counted."""
        self.reloads += 1
        self.on_reload()
        return self.problem


@dataclass(frozen=True)
class Served:
    """A running server, and a client whose URLs begin at it."""

    server: WebServer
    client: httpx.AsyncClient
    scrape_priority: ScrapePriority

    async def scrapes_in_progress(self) -> int:
        """How many scrapes are being sent now."""
        return self.scrape_priority.in_progress


@asynccontextmanager
async def serve(
    sources: Sources | None = None,
    *,
    config: WebConfig | None = None,
    clock: Clock | None = None,
    limits: ScrapeLimits | None = None,
    policy: RequestPolicy | None = None,
    listen: ListenAddress | None = None,
    connections: ConnectionTable | None = None,
) -> AsyncIterator[Served]:
    """Run the server on a free port of loopback, or at `listen`."""
    clock = clock or SystemClock()
    scrape_priority = ScrapePriority(clock)
    async with (
        run_web(
            sources or Sources(),
            listen=listen or ListenAddress("127.0.0.1", 0),
            clock=clock,
            scrape_priority=scrape_priority,
            config=config,
            policy=policy,
            connections=connections,
            limits=limits,
        ) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
    ):
        yield Served(server, client, scrape_priority)


def users(**passwords: str) -> Mapping[str, bytes]:
    """Users of a web config, by the cheapest hash there is."""
    return {
        name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))
        for name, password in passwords.items()
    }


@asynccontextmanager
async def serve_exposition(exposition: Exposition) -> AsyncIterator[Served]:
    """Serve rendered accounts."""

    class Rendered(Sources):
        def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
            return exposition.scrape(openmetrics=openmetrics, gzip=gzip, names=names, telemetry=b"")

    async with serve(Rendered()) as served:
        yield served
