"""Poll users' details, a few users at a time, most urgent first."""

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
"""How many requests of one account are in flight at once, which hides the API's latency. Each
priority has its own workers, so that an urgent user never waits behind another."""


class _WorkerPool:
    """The workers of one priority; one of them at a time waits for the next user."""

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.choosing = asyncio.Lock()
        self.has_news = asyncio.Event()


class DetailsPoller:
    """Requests the details of the users that the planner returns.

    Delays after failures grow from `interval`. If an event has an unknown name, `relearn_names` is
    awaited with the instant at which the details were requested.
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
        self._backoff = Backoff(interval=interval)
        self._pools = tuple(_WorkerPool(priority) for priority in WORKERS)

    def wake(self) -> None:
        """Check at once whether a user is due."""
        for pool in self._pools:
            pool.has_news.set()

    async def run(self) -> Never:
        """Request the details of due users until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for pool in self._pools:
                for _ in range(WORKERS[pool.priority]):
                    workers.create_task(self._work(pool))
        raise AssertionError("workers end by an exception only")

    async def read_all(self) -> None:
        """Read all changed users, until a failure that concerns all users.

        If no listed user changed, read one other listed user, which proves whether details can be
        read at all.
        """
        changed = self._context.planner.changed()
        listed = self._context.writer.ledger.listed
        proof = () if listed.intersection(changed) else tuple(islice(listed, 1))
        user_ids = chain(changed, proof)
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS[Priority.URGENT_DETAILS]):
                workers.create_task(self._read_users(user_ids))

    async def _work(self, pool: _WorkerPool) -> Never:
        while True:
            async with pool.choosing:
                user_id, admission = await self._next(pool)
            await self._request(user_id, admission)

    async def _read_users(self, user_ids: Iterator[str]) -> None:
        context = self._context
        for user_id in user_ids:
            if self._seconds_of_pause() > 0.0:
                return
            await self._request(user_id, await context.admit(Priority.URGENT_DETAILS))

    async def _next(self, pool: _WorkerPool) -> tuple[str, Admission]:
        """Wait until a user is due and the quota admits a request; only then choose the user."""
        context = self._context
        while True:
            await self._wait_for_due_user(pool)
            admission = await context.admit(pool.priority)
            if self._seconds_of_pause() <= 0.0:
                user_id = context.planner.take(pool.priority, context.clock.time())
                if user_id is not None:
                    return user_id, admission
            with admission:
                """Nothing is sent: no user is due any more, or all requests pause."""

    async def _wait_for_due_user(self, pool: _WorkerPool) -> None:
        clock, planner = self._context.clock, self._context.planner
        while True:
            pool.has_news.clear()
            pause = self._seconds_of_pause()
            wait = planner.seconds_until_next(pool.priority, clock.time())
            if pause > 0.0:
                await clock.sleep(pause)
            elif wait > 0.0:
                await clock.wait(pool.has_news, min(wait, self._interval))
            else:
                return

    def _seconds_of_pause(self) -> float:
        return self._backoff.resume_at - self._context.clock.monotonic()

    async def _request(self, user_id: str, admission: Admission) -> None:
        with self._context.work.running():
            await self._request_and_record(user_id, admission)
        self.wake()

    async def _request_and_record(self, user_id: str, admission: Admission) -> None:
        asked_at = self._context.clock.monotonic()
        with admission:
            outcome = await self._resource.attempt(lambda: self._read(user_id), subject=user_id)
        if isinstance(outcome, PollError):
            self._note_failure(user_id, outcome)
        else:
            self._backoff.note_success(user_id)
            if outcome is not None and self._has_unknown_names(outcome):
                await self._relearn_names(asked_at)
            await self._record(user_id, outcome)

    async def _read(self, user_id: str) -> UserDetails | None:
        """Return the user's details, or None if the API does not know the user."""
        try:
            return await self._context.client.read_user(self._context.account_id, user_id)
        except NotFoundError:
            return None

    def _has_unknown_names(self, details: UserDetails) -> bool:
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
        """Update the planner; if the answer was older than the summary, request it again later."""
        context = self._context
        record = context.writer.ledger.users[user_id]
        context.planner.settle(user_id, record)
        if record.stale_answers:
            delay = delay_after_stale_answer(record.stale_answers, interval=self._interval)
            context.planner.cool_down(user_id, until=context.clock.time() + delay)

    def _note_failure(self, user_id: str, error: PollError) -> None:
        context = self._context
        seconds = self._backoff.note_failure(
            user_id, error, now=context.clock.monotonic(), jitter=context.jitter()
        )
        context.planner.cool_down(user_id, until=context.clock.time() + seconds)
