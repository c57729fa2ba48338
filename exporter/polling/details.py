"""Polling the details of users who changed: a few at a time, whoever is most urgent first.

One user's failure rests that user; a failure that will meet everybody rests all of them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Never

from exporter.errors import (
    BadResponseError,
    NotFoundError,
    PollError,
    RejectedError,
    ServerError,
    StateError,
    TimedOutError,
)
from exporter.polling.context import AccountContext
from exporter.polling.quota import Priority
from exporter.polling.resource import Resource
from exporter.polling.schedule import delay_after_failure
from exporter.risk.ledger import observe_details, observe_missing
from exporter.risk.model import UserDetails

CONCURRENT_REQUESTS = 4
"""How many users of one account are asked about at once: hides the API's latency, no more."""

FAILURES_IN_A_ROW = 3
"""After so many users in a row who failed, it is not the users' fault."""

_FAULTS_OF_ONE_USER = (BadResponseError, RejectedError, ServerError, TimedOutError)


class DetailsPoller:
    """Asks about the users the planner hands out, for as long as there are any.

    `interval` is what delays after failures grow from. `relearn_names` is awaited when an event
    goes by a name nobody has heard of.
    """

    def __init__(
        self,
        context: AccountContext,
        resource: Resource,
        *,
        interval: float,
        relearn_names: Callable[[], Awaitable[None]],
    ) -> None:
        self._context = context
        self._resource = resource
        self._interval = interval
        self._relearn_names = relearn_names
        self._failures: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._resume_at = float("-inf")
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once whether somebody is wanted."""
        self._wake.set()

    async def run(self) -> Never:
        """Ask about whoever is wanted, for ever."""
        slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        async with asyncio.TaskGroup() as requests:
            while True:
                await slots.acquire()
                user_id = await self._next_user()
                request = requests.create_task(self.ask(user_id))
                request.add_done_callback(lambda _: slots.release())

    async def ask_all(self, user_ids: Iterable[str]) -> None:
        """Ask about these users, one after another, until a failure that would meet everybody."""
        context = self._context
        for user_id in user_ids:
            if self._resume_at > context.clock.monotonic():
                return
            await context.admit(Priority.URGENT_DETAILS)
            await self.ask(user_id)

    async def ask(self, user_id: str) -> PollError | None:
        """Ask about one user, whom the planner has handed out and the governor admitted."""
        outcome = await self._resource.attempt(lambda: self._read(user_id))
        if isinstance(outcome, PollError):
            self._fail(user_id, outcome)
            return outcome
        self._failures_in_a_row = 0
        del self._failures[user_id]
        await self._record(user_id, outcome)
        return None

    async def _next_user(self) -> str:
        """Wait for a user whose turn has come, and for the quota; the request counts as spent."""
        context = self._context
        while True:
            await self._wait_for_somebody()
            priority = context.planner.peek(context.clock.time())
            if priority is None:
                continue
            await context.admit(priority)
            user_id = context.planner.take(context.clock.time())
            if user_id is not None:
                return user_id
            context.governor.forgo()

    async def _wait_for_somebody(self) -> None:
        context = self._context
        while True:
            self._wake.clear()
            now = context.clock.time()
            for user_id in context.planner.wake(now):
                context.planner.learn(user_id, context.journal.ledger.users[user_id])
            pause = self._resume_at - context.clock.monotonic()
            if pause > 0:
                await context.clock.sleep(pause)
            elif context.planner.peek(now) is not None:
                return
            else:
                wait = min(context.planner.seconds_until_next(now), self._interval)
                await context.clock.wait(self._wake, wait)

    async def _read(self, user_id: str) -> UserDetails | None:
        """The user's details; None where the API does not know them, which is no failure."""
        try:
            return await self._context.client.read_user(self._context.account_id, user_id)
        except NotFoundError:
            return None

    async def _record(self, user_id: str, details: UserDetails | None) -> None:
        context = self._context
        if details is not None and self._speaks_of_the_unknown(details):
            await self._relearn_names()
        async with context.journal.lock:
            ledger, now = context.journal.ledger, context.clock.time()
            try:
                marks = await context.journal.marks(user_id)
            except StateError:
                context.planner.rest(user_id, until=now + self._interval)
                return
            if details is None:
                changes = observe_missing(ledger, user_id, marks, now=now)
            else:
                changes = observe_details(ledger, user_id, details, marks, now=now)
            entry = await context.recorder.record(changes)
        context.planner.settle(user_id, ledger.users[user_id])
        await context.publication.show(entry, reselect=False)

    def _speaks_of_the_unknown(self, details: UserDetails) -> bool:
        names = self._context.journal.ledger.names
        return any(event.name not in names for event in details.events)

    def _fail(self, user_id: str, error: PollError) -> None:
        context = self._context
        self._failures[user_id] += 1
        self._failures_in_a_row += 1
        is_ones_own = isinstance(error, _FAULTS_OF_ONE_USER)
        if is_ones_own:
            delay = self._delay(self._failures[user_id], error)
            context.planner.rest(user_id, until=context.clock.time() + delay)
        else:
            context.planner.settle(user_id, context.journal.ledger.users[user_id])
        if not is_ones_own or self._failures_in_a_row >= FAILURES_IN_A_ROW:
            delay = self._delay(self._failures_in_a_row, error)
            self._resume_at = context.clock.monotonic() + delay

    def _delay(self, failures: int, error: PollError) -> float:
        return delay_after_failure(
            failures, error, interval=self._interval, jitter=self._context.jitter()
        )
