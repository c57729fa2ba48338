"""The exporter's own web server over a made-up account: `python -m bench.scrape_server USERS PORT`.

With `--churn` one percent of the users change every second, as if by a poll.
"""

import argparse

import uvloop

from bench.population import Population
from exporter.clock import SystemClock
from exporter.exposition import Exposition, Scrape
from exporter.gate import ScrapeGate
from exporter.settings import ListenAddress
from exporter.web import StatusPage, run_web


class _Sources:
    """An exposition, for the web server; everything else is well."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        return self._exposition.scrape(
            openmetrics=openmetrics, gzip=gzip, names=names, telemetry=b""
        )

    def healthy(self) -> bool:
        return True

    def ready(self) -> bool:
        return True

    def status(self) -> StatusPage:
        return StatusPage(version="", accounts=())

    async def reload(self) -> str | None:
        return None


async def _serve(arguments: argparse.Namespace) -> None:
    clock = SystemClock()
    gate = ScrapeGate(clock)
    exposition = Exposition(pause=gate.idle)
    population = Population(arguments.users)
    await exposition.publish(population.snapshot(), changed=None)
    listen = ListenAddress("127.0.0.1", arguments.port)
    async with run_web(_Sources(exposition), listen=listen, clock=clock, gate=gate):
        while True:
            await clock.sleep(1)
            if arguments.churn:
                changed = population.change(population.size // 100)
                await exposition.publish(population.snapshot(), changed=changed)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("users", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("--churn", action="store_true")
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
