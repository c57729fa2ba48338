"""Poll an account's summary and configuration: users at risk, behaviors and integrations."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Never

from exporter.chunked import run_chunked
from exporter.errors import PollError
from exporter.logs import get_logger
from exporter.polling.context import AccountContext
from exporter.polling.ledger_writer import DurableLedger
from exporter.polling.quota_window import Priority
from exporter.polling.resource import Resource
from exporter.risk.ledger import Changes, SummaryFold, observe_behaviors
from exporter.risk.model import LISTED_LEVELS, Behavior, KnownRows, RiskLevel

_log = get_logger(__name__)


class SummaryPoller:
    """Reads an account's summary, records it in the ledger and publishes it.

    `on_recorded` is called after each summary, when the planner knows the changed users.
    """

    def __init__(
        self, context: AccountContext, resource: Resource, *, on_recorded: Callable[[], None]
    ) -> None:
        self._context = context
        self._resource = resource
        self._on_recorded = on_recorded
        self._was_read = asyncio.Event()
        self._known_rows: KnownRows = {}

    async def poll(self) -> PollError | None:
        """Poll once. An error sets `up` to 0 and changes nothing else."""
        admission = await self._context.admit(Priority.SUMMARY)
        with self._context.work.running():
            with admission:
                outcome = await self._resource.attempt(self._read)
            if isinstance(outcome, PollError):
                await self._publish_failure()
                error: PollError | None = outcome
            else:
                await self._record(outcome)
                error = None
        self._context.state.first_poll_ended.set()
        return error

    async def withdraw_old_data(self, max_age: float) -> Never:
        """Withdraw the account's gauges after `max_age` seconds without a successful summary."""
        clock, state = self._context.clock, self._context.state
        while True:
            self._was_read.clear()
            if state.read_at is None:
                await self._was_read.wait()
                continue
            remaining = state.read_at + max_age - clock.monotonic()
            if remaining > 0.0:
                await clock.sleep(remaining)
            else:
                await self._withdraw(max_age)

    async def _record(self, fold: SummaryFold) -> None:
        context = self._context

        async def observe(_: DurableLedger) -> Changes:
            changes = await run_chunked(
                fold.finish_in_steps(), context.scrape_priority.yield_to_scrapes
            )
            context.state.up = True
            context.state.read_at = context.clock.monotonic()
            return changes

        await context.writer.submit(observe, moves_users=True)
        self._on_recorded()
        self._was_read.set()
        self._note_departures(fold)
        self._log_users()
        await context.publisher.flush()

    def _note_departures(self, fold: SummaryFold) -> None:
        """Count the summaries in a row that prove no departure; log when departures freeze or resume."""
        account, state = self._context.account, self._context.state
        was_frozen = state.departures_frozen
        state.unproven_polls = 0 if fold.absence_is_proof else state.unproven_polls + 1
        if state.departures_frozen and not was_frozen:
            _log.warning("departures.frozen", account=account, polls=state.unproven_polls)
        elif was_frozen and not state.departures_frozen:
            _log.info("departures.resumed", account=account)

    def _log_users(self) -> None:
        """Log the number of listed users by level after the first summary and after each change."""
        context, state = self._context, self._context.state
        by_level = context.writer.ledger.listed_by_level
        counts = {level.label: by_level[level] for level in (*LISTED_LEVELS, RiskLevel.UNKNOWN)}
        if counts == state.logged_users:
            return
        event = "summary.first_polled" if state.logged_users is None else "levels.changed"
        state.logged_users = counts
        _log.info(event, account=context.account, listed=sum(counts.values()), **counts)

    async def _publish_failure(self) -> None:
        self._context.state.up = False
        await self._context.writer.refresh()
        await self._context.publisher.flush()

    async def _withdraw(self, max_age: float) -> None:
        context = self._context
        context.state.up = False
        context.state.read_at = None
        _log.warning("data.withdrawn", account=context.account, max_age_seconds=max_age)
        await context.writer.refresh(moves_users=True)
        await context.publisher.flush()

    async def _read(self) -> SummaryFold:
        context = self._context
        known = self._known_rows
        fold = SummaryFold(context.writer.ledger, now=context.clock.time(), known=known)
        stream = context.client.stream_summary(context.account_id, known=known)
        async with aclosing(stream) as readings:
            async for reading in readings:
                fold.add(reading)
                if context.scrape_priority.in_progress:
                    await context.scrape_priority.yield_to_scrapes()
        return fold


RELEARN_SECONDS = 60.0
"""The least delay before an unscheduled poll of the behaviors after one that found no new name."""


class BehaviorsPoller:
    """Reads an account's behaviors, whose names are needed to count events."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource
        self._lock = asyncio.Lock()
        self._requested_at = float("-inf")
        self._fruitless_at = float("-inf")

    async def poll(self) -> PollError | None:
        """Poll once; polls never overlap."""
        async with self._lock:
            denial = self._recent_denial()
            return await self._poll() if denial is None else denial

    async def relearn(self, details_requested_at: float) -> None:
        """Poll outside the schedule, because details had an event with an unknown name.

        `details_requested_at` is when the details were requested, by the monotonic clock. Do nothing
        if the behaviors were requested later.
        """
        async with self._lock:
            now = self._context.clock.monotonic()
            if (
                self._requested_at > details_requested_at
                or now < self._fruitless_at + RELEARN_SECONDS
            ):
                return
            known = len(self._context.writer.ledger.names)
            await self._poll()
            if len(self._context.writer.ledger.names) == known:
                self._fruitless_at = self._context.clock.monotonic()

    def _recent_denial(self) -> PollError | None:
        """Return the last error if it denied access too recently for a new attempt, else None."""
        error = self._resource.error
        elapsed = self._context.clock.monotonic() - self._requested_at
        if error is None or not error.denies_access or elapsed >= error.retry_delay_seconds:
            return None
        return error

    async def _poll(self) -> PollError | None:
        context = self._context
        admission = await context.admit(Priority.CONFIGURATION)
        with context.work.running():
            with admission:
                self._requested_at = context.clock.monotonic()
                outcome = await self._resource.attempt(
                    lambda: context.client.read_behaviors(context.account_id)
                )
            if isinstance(outcome, PollError):
                self._fruitless_at = context.clock.monotonic()
                return outcome
            await self._record(outcome)
            return None

    async def _record(self, behaviors: tuple[Behavior, ...]) -> None:
        context = self._context

        async def observe(durable: DurableLedger) -> Changes:
            context.state.behaviors = behaviors
            return observe_behaviors(durable.ledger, behaviors, now=context.clock.time())

        await context.writer.submit(observe)
        await context.publisher.flush()


class IntegrationsPoller:
    """Reads an account's integrations, of which nothing is stored."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource

    async def poll(self) -> PollError | None:
        """Poll once."""
        context = self._context
        admission = await context.admit(Priority.CONFIGURATION)
        with context.work.running():
            with admission:
                outcome = await self._resource.attempt(
                    lambda: context.client.list_integrations(context.account_id)
                )
            if isinstance(outcome, PollError):
                return outcome
            context.state.integrations = outcome
            await context.writer.refresh()
            await context.publisher.flush()
            return None
