"""What the web server needs from the rest of the program, and nothing more."""

from typing import Protocol

from exporter.exposition import Scrape
from exporter.web.status import StatusPage


class WebSources(Protocol):
    """Answers for the routes. All but `reload` answer from memory, at once."""

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """What a scrape is answered now; of the families in `names` alone unless None."""
        ...

    def healthy(self) -> bool:
        """Whether every task of the exporter runs; never false because of Cloudflare."""
        ...

    def ready(self) -> bool:
        """Whether every account's first poll has ended, well or badly."""
        ...

    def status(self) -> StatusPage:
        """What the status page tells now."""
        ...

    async def reload(self) -> str | None:
        """Read the configuration again: None, or what is wrong with it and nothing changed.

        The text goes to whoever asked, so it must hold no secret.
        """
        ...
