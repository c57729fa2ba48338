"""Polls every account once and renders what `/metrics` would show then."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Never

from exporter.app.accounts import build_pollers
from exporter.app.runtime import open_runtime
from exporter.app.status import quota_wait, scrape_now
from exporter.clock import Clock, SystemClock
from exporter.polling.account import AccountPoller
from exporter.polling.queues import RefreshReason
from exporter.polling.resource import Resource
from exporter.settings import Settings

WATCH_SECONDS = 0.5
"""The interval at which `on_waiting` is called."""


@dataclass(frozen=True, slots=True)
class OnceResult:
    """The exposition in the text format, and what failed: `account: resource (reason)`.

    A resource of which more than a tenth of the rows could not be read counts as failed. `notes`
    names the accounts that list no user, so that no user's details were read.
    """

    exposition: bytes
    failed: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaWait:
    """A wait of an account for the quota; `reason` is one of `api_paused_seconds_total`.

    `until` is in Unix seconds, or None if the end depends on an answer. `users` is the number of
    changed users whose details are still to be read.
    """

    account: str
    reason: str
    until: float | None
    users: int


async def poll_once(
    settings: Settings,
    *,
    clock: Clock | None = None,
    on_waiting: Callable[[Sequence[QuotaWait]], None] = lambda _: None,
) -> OnceResult:
    """Poll every account once, all at the same time, details of changed users included.

    The details of at least one listed user of each account are read. `on_waiting` is called every
    WATCH_SECONDS with the accounts that wait for the quota, even if there are none.
    """
    async with open_runtime(settings, clock=clock or SystemClock()) as runtime:
        pollers = await build_pollers(settings, runtime)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(pollers, runtime.clock, on_waiting))
            async with asyncio.TaskGroup() as polling:
                for poller in pollers:
                    polling.create_task(poller.poll_once())
            watching.cancel()
        scrape = scrape_now(runtime, openmetrics=False, gzip=False, names=None)
        failed = tuple(
            f"{poller.account}: {resource.name} ({problem})"
            for poller in pollers
            for resource in poller.resources.values()
            if (problem := _problem(resource)) is not None
        )
        notes = tuple(
            f"{poller.account}: no user is listed, so no user's details were tried"
            for poller in pollers
            if poller.context.state.up and not poller.context.writer.ledger.listed
        )
        return OnceResult(b"".join(scrape.pieces), failed, notes)


async def _watch(
    pollers: Sequence[AccountPoller],
    clock: Clock,
    on_waiting: Callable[[Sequence[QuotaWait]], None],
) -> Never:
    while True:
        waits = (_wait_of(poller) for poller in pollers)
        on_waiting(tuple(wait for wait in waits if wait is not None))
        await clock.sleep(WATCH_SECONDS)


def _wait_of(poller: AccountPoller) -> QuotaWait | None:
    context = poller.context
    pause = quota_wait(context)
    if pause is None:
        return None
    users = context.planner.pending(RefreshReason.CHANGED)
    return QuotaWait(poller.account, pause.reason.label, pause.until, users)


def _problem(resource: Resource) -> str | None:
    """Return why the poll of a resource counts as failed here, or None."""
    if resource.error is not None:
        return resource.error.reason
    if resource.is_mostly_readable:
        return None
    return f"{resource.unreadable_rows} of {resource.rows} rows could not be read"
