"""Polling the details of users who are wanted: a few at a time, whoever is most urgent first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, islice
from typing import Never

from exporter.errors import NotFoundError, PollError
from exporter.polling.backoff import Backoff, delay_after_stale_answer
from exporter.polling.context import AccountContext
from exporter.polling.governor import Admission
from exporter.polling.ledger_writer import CommitResult, DurableLedger
from exporter.polling.quota_window import Priority
from exporter.polling.resource import Resource
from exporter.risk.ledger import Changes, observe_details, observe_missing
from exporter.risk.model import UserDetails

WORKERS = {
    Priority.URGENT_DETAILS: 2,
    Priority.CHANGED_DETAILS: 2,
    Priority.RELAXED_DETAILS: 1,
}
"""How many requests of one account are on their way at once, which hides the API's latency: each
priority has its own, so that an urgent user never queues behind one who is not."""


class _Lane:
    """The workers of one priority: one of them at a time waits for the next user's turn."""

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.choosing = asyncio.Lock()
        self.news = asyncio.Event()


class DetailsPoller:
    """Asks about the users the planner hands out, for as long as there are any.

    `interval` is what delays after failures grow from. `relearn_names` is awaited, with the
    instant details were asked for, when one of their events goes by a name nobody has heard of.
    """

    def __init__(
        self,
        context: AccountContext,
        resource: Resource,
        *,
        interval: float,
        relearn_names: Callable[[float], Awaitable[None]],
    ) -> None:
        self._context = context
        self._resource = resource
        self._interval = interval
        self._relearn_names = relearn_names
        self._setbacks = Backoff(interval=interval)
        self._lanes = tuple(_Lane(priority) for priority in WORKERS)

    def wake(self) -> None:
        """Look at once whether somebody is wanted."""
        for lane in self._lanes:
            lane.news.set()

    async def run(self) -> Never:
        """Ask about whoever is wanted, for ever."""
        async with asyncio.TaskGroup() as workers:
            for lane in self._lanes:
                for _ in range(WORKERS[lane.priority]):
                    workers.create_task(self._work(lane))
        raise AssertionError("workers end by an exception only")

    async def ask_all(self) -> None:
        """Read all changed users, at least one of them listed, until a failure that concerns all.

        Where no listed user changed, one other listed user is read, so that it is known whether
        details can be read at all.
        """
        changed = self._context.planner.changed()
        listed = self._context.writer.ledger.listed
        proof = () if listed.intersection(changed) else tuple(islice(listed, 1))
        user_ids = chain(changed, proof)
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS[Priority.URGENT_DETAILS]):
                workers.create_task(self._work_off(user_ids))

    async def _work(self, lane: _Lane) -> Never:
        while True:
            async with lane.choosing:
                user_id, admission = await self._next(lane)
            await self._ask(user_id, admission)

    async def _work_off(self, user_ids: Iterator[str]) -> None:
        context = self._context
        for user_id in user_ids:
            if self._seconds_of_pause() > 0.0:
                return
            await self._ask(user_id, await context.admit(Priority.URGENT_DETAILS))

    async def _next(self, lane: _Lane) -> tuple[str, Admission]:
        """Wait for a user's turn and for the quota; nobody is chosen before both have come."""
        context = self._context
        while True:
            await self._wait_for_somebody(lane)
            admission = await context.admit(lane.priority)
            if self._seconds_of_pause() <= 0.0:
                user_id = context.planner.take(lane.priority, context.clock.time())
                if user_id is not None:
                    return user_id, admission
            with admission:
                """Nothing is sent: whoever was wanted is not any more, or must not be asked."""

    async def _wait_for_somebody(self, lane: _Lane) -> None:
        clock, planner = self._context.clock, self._context.planner
        while True:
            lane.news.clear()
            pause = self._seconds_of_pause()
            wait = planner.seconds_until_next(lane.priority, clock.time())
            if pause > 0.0:
                await clock.sleep(pause)
            elif wait > 0.0:
                await clock.wait(lane.news, min(wait, self._interval))
            else:
                return

    def _seconds_of_pause(self) -> float:
        return self._setbacks.resume_at - self._context.clock.monotonic()

    async def _ask(self, user_id: str, admission: Admission) -> None:
        with self._context.work.running():
            await self._ask_and_record(user_id, admission)
        self.wake()

    async def _ask_and_record(self, user_id: str, admission: Admission) -> None:
        asked_at = self._context.clock.monotonic()
        with admission:
            outcome = await self._resource.attempt(lambda: self._read(user_id), subject=user_id)
        if isinstance(outcome, PollError):
            self._note_failure(user_id, outcome)
        else:
            self._setbacks.note_success(user_id)
            if outcome is not None and self._speaks_of_the_unknown(outcome):
                await self._relearn_names(asked_at)
            await self._record(user_id, outcome)

    async def _read(self, user_id: str) -> UserDetails | None:
        """The user's details; None where the API does not know them, which is no failure."""
        try:
            return await self._context.client.read_user(self._context.account_id, user_id)
        except NotFoundError:
            return None

    def _speaks_of_the_unknown(self, details: UserDetails) -> bool:
        if self._context.work.is_ending:
            return False
        names = self._context.writer.ledger.names
        return any(event.name not in names for event in details.events)

    async def _record(self, user_id: str, details: UserDetails | None) -> None:
        context = self._context

        async def observe(durable: DurableLedger) -> Changes:
            marks = await durable.marks(user_id)
            now = context.clock.time()
            if details is None:
                return observe_missing(durable.ledger, user_id, marks, now=now)
            return observe_details(durable.ledger, user_id, details, marks, now=now)

        if await context.writer.submit(observe) is CommitResult.UNREADABLE:
            context.planner.cool_down(user_id, until=context.clock.time() + self._interval)
        else:
            self._settle(user_id)

    def _settle(self, user_id: str) -> None:
        """Tell the planner; where the answer was older than the summary, ask again in a while."""
        context = self._context
        record = context.writer.ledger.users[user_id]
        context.planner.settle(user_id, record)
        if record.stale_answers:
            delay = delay_after_stale_answer(record.stale_answers, interval=self._interval)
            context.planner.cool_down(user_id, until=context.clock.time() + delay)

    def _note_failure(self, user_id: str, error: PollError) -> None:
        context = self._context
        seconds = self._setbacks.note_failure(
            user_id, error, now=context.clock.monotonic(), jitter=context.jitter()
        )
        context.planner.cool_down(user_id, until=context.clock.time() + seconds)
