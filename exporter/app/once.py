"""One full poll of every account, and what `/metrics` would show then."""

import asyncio
from dataclasses import dataclass

from exporter.app.accounts import build_pollers
from exporter.app.sources import scrape_now
from exporter.app.workshop import open_workshop
from exporter.clock import Clock, SystemClock
from exporter.polling.resource import Resource
from exporter.settings import Settings


@dataclass(frozen=True, slots=True)
class OnceResult:
    """The exposition in the text format, and what failed: `account: resource (reason)`.

    A resource of which more than a tenth of the rows could not be read counts as failed.
    """

    exposition: bytes
    failed: tuple[str, ...]


async def poll_once(settings: Settings, *, clock: Clock | None = None) -> OnceResult:
    """Poll every account once, all at the same time, details of changed users included."""
    async with open_workshop(settings, clock=clock or SystemClock()) as workshop:
        pollers = await build_pollers(settings, workshop)
        async with asyncio.TaskGroup() as tasks:
            for poller in pollers:
                tasks.create_task(poller.poll_once())
        scrape = scrape_now(workshop, openmetrics=False, gzip=False, names=None)
        failed = tuple(
            f"{poller.account}: {resource.name} ({problem})"
            for poller in pollers
            for resource in poller.resources.values()
            if (problem := _problem(resource)) is not None
        )
        return OnceResult(b"".join(scrape.pieces), failed)


def _problem(resource: Resource) -> str | None:
    """Return why the poll of a resource counts as failed here, or None."""
    if resource.error is not None:
        return resource.error.reason
    if resource.is_mostly_readable:
        return None
    return f"{resource.unreadable_rows} of {resource.rows} rows could not be read"
