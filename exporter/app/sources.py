"""Answers the web server's questions from what the pollers and the exposition have ready."""

from collections.abc import Awaitable, Callable

from exporter.app.status import status_page
from exporter.app.workshop import Workshop
from exporter.exposition import Scrape
from exporter.polling.account import AccountPoller
from exporter.web import StatusPage


def refresh_telemetry(workshop: Workshop) -> None:
    """Bring up to date what telemetry says of the exposition itself."""
    workshop.telemetry.exposition_series.set(workshop.exposition.series)
    workshop.telemetry.exposition_bytes.set(workshop.exposition.size_bytes)


class Sources:
    """What the web server may ask. `pollers` is replaced when the configuration is read again."""

    def __init__(self, workshop: Workshop, *, reload: Callable[[], Awaitable[str | None]]) -> None:
        self.pollers: tuple[AccountPoller, ...] = ()
        self._workshop = workshop
        self._reload = reload

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Join what lies ready with the exporter's own telemetry."""
        refresh_telemetry(self._workshop)
        return self._workshop.exposition.scrape(
            openmetrics=openmetrics,
            gzip=gzip,
            names=names,
            telemetry=self._workshop.telemetry.render(openmetrics=openmetrics, names=names),
        )

    def healthy(self) -> bool:
        """True while anything answers: a task that ends takes the whole process with it."""
        return True

    def ready(self) -> bool:
        """Whether every account's first poll has ended, well or badly."""
        return all(poller.first_poll_ended.is_set() for poller in self.pollers)

    def status(self) -> StatusPage:
        """What the status page tells now."""
        return status_page(self.pollers)

    async def reload(self) -> str | None:
        """Read the configuration again; what is wrong with it, if anything."""
        return await self._reload()
