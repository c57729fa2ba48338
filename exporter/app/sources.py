"""Answers the web server's questions from what the pollers and the exposition have ready."""

from collections.abc import Awaitable, Callable

from exporter.app.runtime import Runtime
from exporter.app.status import status_page
from exporter.exposition import Scrape
from exporter.polling.account import AccountPoller
from exporter.status import StatusPage


def scrape_now(
    runtime: Runtime, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None
) -> Scrape:
    """Join the exposition as it is now with the exporter's own telemetry.

    The sizes it states are those of a whole OpenMetrics scrape, whatever this scrape is.
    """
    exposition, telemetry = runtime.exposition, runtime.telemetry
    runtime.report_refusals()
    telemetry.exposition_series.set(exposition.series)
    text = telemetry.render_whole(beside_bytes=exposition.size_bytes)
    if names is not None or not openmetrics:
        text = telemetry.render(openmetrics=openmetrics, names=names)
    return exposition.scrape(openmetrics=openmetrics, gzip=gzip, names=names, telemetry=text)


class Sources:
    """What the web server may ask. `pollers` is replaced when the configuration is read again."""

    def __init__(self, runtime: Runtime, *, reload: Callable[[], Awaitable[str | None]]) -> None:
        self.pollers: tuple[AccountPoller, ...] = ()
        self._runtime = runtime
        self._reload = reload

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Join what lies ready with the exporter's own telemetry."""
        return scrape_now(self._runtime, openmetrics=openmetrics, gzip=gzip, names=names)

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
