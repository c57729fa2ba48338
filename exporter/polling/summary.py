"""Polling the summary: who is at risk, in one call, and whose details are worth another."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Never

import structlog

from exporter.errors import PollError
from exporter.polling.context import AccountContext
from exporter.polling.priority import Priority
from exporter.polling.resource import Resource
from exporter.risk.ledger import SummaryFold
from exporter.risk.model import LISTED_LEVELS, RiskLevel
from exporter.steps import with_rests

_log = structlog.get_logger(__name__)


class SummaryPoller:
    """Reads an account's summary; each good one moves the ledger and is shown.

    `on_recorded` is called as soon as the planner knows whose details are wanted now.
    """

    def __init__(
        self, context: AccountContext, resource: Resource, *, on_recorded: Callable[[], None]
    ) -> None:
        self._context = context
        self._resource = resource
        self._on_recorded = on_recorded
        self._was_read = asyncio.Event()

    async def poll(self) -> PollError | None:
        """Poll once. The error, if any, changes nothing but that `up` says 0."""
        admission = await self._context.admit(Priority.SUMMARY)
        with self._context.work.running():
            with admission:
                outcome = await self._resource.attempt(self._read)
            if isinstance(outcome, PollError):
                await self._show_failure()
                error: PollError | None = outcome
            else:
                await self._record(outcome)
                error = None
        self._context.standing.first_poll_ended.set()
        return error

    async def withdraw_old_data(self, max_age: float) -> Never:
        """Take back the account's gauges whenever no summary was good for `max_age` seconds."""
        clock, standing = self._context.clock, self._context.standing
        while True:
            self._was_read.clear()
            if standing.read_at is None:
                await self._was_read.wait()
                continue
            remaining = standing.read_at + max_age - clock.monotonic()
            if remaining > 0.0:
                await clock.sleep(remaining)
            else:
                await self._withdraw(max_age)

    async def _record(self, fold: SummaryFold) -> None:
        context = self._context
        async with context.journal.lock:
            changes = await with_rests(fold.finish_in_steps(), context.gate.idle)
            await context.recorder.record(changes, moves_users=True)
        self._on_recorded()
        context.standing.up = True
        context.standing.read_at = context.clock.monotonic()
        self._was_read.set()
        self._note_departures(fold)
        self._log_users()
        await context.publication.show(reselect=True)

    def _note_departures(self, fold: SummaryFold) -> None:
        """Count summaries that prove no departure, and log when departures freeze or resume."""
        account, standing = self._context.account, self._context.standing
        was_frozen = standing.departures_frozen
        standing.unproven_polls = 0 if fold.absence_is_proof else standing.unproven_polls + 1
        if standing.departures_frozen and not was_frozen:
            _log.warning("departures.frozen", account=account, polls=standing.unproven_polls)
        elif was_frozen and not standing.departures_frozen:
            _log.info("departures.resumed", account=account)

    def _log_users(self) -> None:
        """Log the listed users by level, at first and whenever a count changes; no identities."""
        context, standing = self._context, self._context.standing
        by_level = context.journal.ledger.listed_by_level
        counts = {level.label: by_level[level] for level in (*LISTED_LEVELS, RiskLevel.UNKNOWN)}
        if counts == standing.logged_users:
            return
        event = "summary.first_polled" if standing.logged_users is None else "levels.changed"
        standing.logged_users = counts
        _log.info(event, account=context.account, listed=sum(counts.values()), **counts)

    async def _show_failure(self) -> None:
        self._context.standing.up = False
        await self._context.publication.show()

    async def _withdraw(self, max_age: float) -> None:
        context = self._context
        context.standing.up = False
        context.standing.read_at = None
        _log.warning("data.withdrawn", account=context.account, max_age_seconds=max_age)
        await context.publication.show(reselect=True)

    async def _read(self) -> SummaryFold:
        context = self._context
        fold = SummaryFold(context.journal.ledger, now=context.clock.time())
        async with aclosing(context.client.stream_summary(context.account_id)) as readings:
            async for reading in readings:
                fold.add(reading)
                if context.gate.in_progress:
                    await context.gate.idle()
        return fold
