"""Run the pollers of one account continuously or once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from exporter.errors import PollError
from exporter.polling.backoff import repeat
from exporter.polling.context import AccountContext, PollIntervals
from exporter.polling.details import DetailsPoller
from exporter.polling.pollers import BehaviorsPoller, IntegrationsPoller, SummaryPoller
from exporter.polling.resource import Resource
from exporter.risk.ledger import MARKS_KEPT_SECONDS
from exporter.status import ResourceName

FORGET_INTERVAL_SECONDS = 3600.0
"""How often the marks of events that the API dropped long ago are deleted."""


class AccountPoller:
    """Polls one account; `account` is its label. Its failures do not affect other accounts."""

    def __init__(
        self,
        context: AccountContext,
        resources: dict[ResourceName, Resource],
        intervals: PollIntervals,
    ) -> None:
        self.account = context.account
        self.first_poll_ended = context.state.first_poll_ended
        self.resources = resources
        self._context = context
        self._intervals = intervals
        self._behaviors = BehaviorsPoller(context, resources[ResourceName.BEHAVIORS])
        self._integrations = IntegrationsPoller(context, resources[ResourceName.INTEGRATIONS])
        self._details = DetailsPoller(
            context,
            resources[ResourceName.USERS],
            interval=intervals.summary,
            relearn_names=self._behaviors.relearn,
        )
        self._summary = SummaryPoller(
            context, resources[ResourceName.SUMMARY], on_recorded=self._details.wake
        )

    @property
    def context(self) -> AccountContext:
        """What the pollers share, for reading."""
        return self._context

    @property
    def intervals(self) -> PollIntervals:
        """The poll intervals."""
        return self._intervals

    async def run(self, *, start_delay: float) -> Never:
        """Poll until cancelled, beginning after `start_delay` seconds.

        Pollers that replace others of the account keep their schedule: neither the start nor a due
        poll moves. Data from before a reload continue to age.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._context.writer.run())
            tasks.create_task(self._context.publisher.run())
            tasks.create_task(self._summary.withdraw_old_data(self._intervals.data_max_age))
            clock, state = self._context.clock, self._context.state
            if state.start_at is None:
                state.start_at = clock.monotonic() + start_delay
            await clock.sleep(state.start_at - clock.monotonic())
            for name, poll, interval in (
                (ResourceName.SUMMARY, self._summary.poll, self._intervals.summary),
                (ResourceName.BEHAVIORS, self._behaviors.poll, self._intervals.configuration),
                (ResourceName.INTEGRATIONS, self._integrations.poll, self._intervals.configuration),
            ):
                tasks.create_task(self._repeat(name, poll, interval))
            tasks.create_task(self._details.run())
            tasks.create_task(self._forget_old_marks())
        raise AssertionError("pollers end by an exception only")

    async def poll_once(self) -> None:
        """Poll every resource once, with the details of all changed users or of one listed user."""
        writer, publisher = self._context.writer, self._context.publisher
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(writer.run()), tasks.create_task(publisher.run())]
            await self._behaviors.poll()
            await self._summary.poll()
            await self._integrations.poll()
            await self._details.read_all()
            await publisher.flush_counters()
            for task in background:
                task.cancel()

    async def end(self, *, within_seconds: float) -> None:
        """Send no further request, and wait until what was sent is answered and recorded."""
        await self._context.work.end(self._context.clock, within_seconds=within_seconds)

    async def close(self) -> None:
        """Record nothing more, and wait until what was submitted is committed."""
        await self._context.writer.close()

    async def _repeat(
        self, name: ResourceName, poll: Callable[[], Awaitable[PollError | None]], interval: float
    ) -> Never:
        clock, next_polls = self._context.clock, self._context.state.next_polls
        now = clock.monotonic()
        await clock.sleep(min(next_polls.get(name, now) - now, interval))
        await repeat(
            poll,
            interval=interval,
            clock=clock,
            jitter=self._context.jitter,
            on_due=lambda at: next_polls.__setitem__(name, at),
        )

    async def _forget_old_marks(self) -> Never:
        clock = self._context.clock
        while True:
            gone_before = clock.time() - MARKS_KEPT_SECONDS
            await self._context.writer.forget_marks(gone_before=gone_before)
            await clock.sleep(FORGET_INTERVAL_SECONDS)
