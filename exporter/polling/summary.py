"""Polling the summary: who is at risk, in one call, and whose details are worth another."""

import asyncio
from contextlib import aclosing
from typing import Never

import structlog

from exporter.errors import PollError
from exporter.polling.context import AccountContext
from exporter.polling.priority import Priority
from exporter.polling.resource import Resource
from exporter.risk.ledger import SummaryFold

_log = structlog.get_logger(__name__)


class SummaryPoller:
    """Reads an account's summary; each good one moves the ledger and is shown."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource
        self._unreadable = 0
        self._read_at = 0.0
        self._was_read = asyncio.Event()

    async def poll(self) -> PollError | None:
        """Poll once. The error, if any, changes nothing but that `up` says 0."""
        with await self._context.admit(Priority.SUMMARY):
            outcome = await self._resource.attempt(self._read)
        publication = self._context.publication
        if isinstance(outcome, PollError):
            publication.up = False
            await publication.show()
            return outcome
        async with self._context.journal.lock:
            entry = await self._context.recorder.record(outcome.finish())
        self._read_at = self._context.clock.monotonic()
        self._was_read.set()
        publication.up = True
        publication.has_fresh_data = True
        await publication.show(entry)
        return None

    async def withdraw_old_data(self, max_age: float) -> Never:
        """Take back the account's gauges whenever no summary was good for `max_age` seconds."""
        clock, publication = self._context.clock, self._context.publication
        while True:
            await self._was_read.wait()
            remaining = self._read_at + max_age - clock.monotonic()
            if remaining > 0:
                await clock.sleep(remaining)
                continue
            self._was_read.clear()
            publication.has_fresh_data = False
            _log.warning("data.withdrawn", account=self._context.account, max_age=max_age)
            await publication.show()

    async def _read(self) -> SummaryFold:
        context = self._context
        fold = SummaryFold(context.journal.ledger, now=context.clock.time())
        unreadable = 0
        async with aclosing(context.client.stream_summary(context.account_id)) as readings:
            async for reading in readings:
                fold.add(reading)
                unreadable += reading.unreadable
                await context.gate.idle()
        self._tell_unreadable(unreadable)
        return fold

    def _tell_unreadable(self, count: int) -> None:
        """Log rows that could not be read when their number changes, not at every poll."""
        if count != self._unreadable:
            _log.warning("summary.rows_skipped", account=self._context.account, rows=count)
        self._unreadable = count
