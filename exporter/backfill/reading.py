"""Asking the API for all it still holds of one account, at the quota's pace."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from exporter.backfill.history import AccountHistory, HistoryReader
from exporter.backfill.timeline import Timeline
from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    NetworkError,
    NotFoundError,
    PollError,
    ServerError,
    ThrottledError,
    TimedOutError,
    UnauthorizedError,
)
from exporter.polling.governor import Governor
from exporter.polling.priority import Priority
from exporter.polling.schedule import delay_after_failure
from exporter.risk.model import SummaryReading, UserDetails
from exporter.risk.projection import Disclosure

WORKERS = 3
"""How many users of one account are asked about at once: hides the API's latency."""

ATTEMPTS = 3
"""How often the same is asked where the failure may pass."""

THROTTLED_ATTEMPTS = 12
"""The same where others use the quota up: five minutes each, so an hour."""

RETRY_SECONDS = 2.0
"""What the pause after a failure grows from."""

GIVEN_UP_AFTER = 10
"""After so many users in a row in vain, all the others would be, too."""

_MAY_PASS = (TimedOutError, NetworkError, ServerError, BadResponseError)
_MEETS_EVERYBODY = (UnauthorizedError, ForbiddenError)

_Answer = TypeVar("_Answer")

_log = structlog.get_logger(__name__)


class Progress(Protocol):
    """Whoever watches: told of each account how many users there are, then of each one asked."""

    def begin(self, account: str, *, users: int) -> None:
        """So many users of the account will be asked about."""
        ...

    def advance(self, account: str) -> None:
        """One of them was, in vain or not."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """One account, `account` by its label, and how to ask about it.

    `jitter` gives a number from 0 to 1, another one each time.
    """

    account: str
    account_id: str
    client: CloudflareClient
    governor: Governor
    clock: Clock
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class AccountReading:
    """What came of one account; `history` is None where not even its users could be read.

    `problems` are what is missing of it, for people; empty where it is all there.
    """

    account: str
    history: AccountHistory | None
    problems: tuple[str, ...]


async def read_account(
    source: Source, timeline: Timeline, *, disclosure: Disclosure, progress: Progress
) -> AccountReading:
    """Read behaviors, summary and every listed user's details. Never raises a PollError.

    Where the token may not read behaviors, events keep their own names, as they do on `/metrics`
    with that token. Any other failure there costs the account: the names could differ.
    """
    reader = HistoryReader(source.account, timeline)
    asker = _Asker(source, reader, progress)
    try:
        await asker.ask_behaviors()
        users = await asker.ask_summary()
    except PollError as error:
        _log.warning("account.read_failed", account=source.account, reason=error.reason)
        return AccountReading(source.account, None, (f"not read ({error.reason}): {error}",))
    await asker.ask_users(users)
    return AccountReading(source.account, reader.finish(disclosure), tuple(asker.problems()))


@dataclass(slots=True)
class _Asker:
    """Asks about one account and keeps count of what went wrong."""

    source: Source
    reader: HistoryReader
    progress: Progress
    behaviors_forbidden: bool = False
    unreadable_rows: int = 0
    unreadable_events: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    in_vain: int = 0
    given_up: PollError | None = None

    async def ask_behaviors(self) -> None:
        client, account_id = self.source.client, self.source.account_id
        try:
            self.reader.learn_behaviors(
                await self._ask(Priority.CONFIGURATION, lambda: client.read_behaviors(account_id))
            )
        except ForbiddenError:
            self.behaviors_forbidden = True

    async def ask_summary(self) -> tuple[str, ...]:
        """The users to ask about."""
        client, account_id = self.source.client, self.source.account_id
        reading: SummaryReading = await self._ask(
            Priority.SUMMARY, lambda: client.read_summary(account_id)
        )
        self.unreadable_rows = reading.unreadable - len(reading.kept)
        return self.reader.learn_summary(reading)

    async def ask_users(self, user_ids: tuple[str, ...]) -> None:
        """Ask about all of them, unless it is plain that nobody will be answered."""
        self.progress.begin(self.source.account, users=len(user_ids))
        remaining = iter(user_ids)
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work_off(remaining))

    def problems(self) -> Iterator[str]:
        """What is missing, one line each."""
        if self.behaviors_forbidden:
            yield "behaviors not read (forbidden): events keep the names the API gives them"
        if self.unreadable_rows:
            yield f"{self.unreadable_rows} rows of the summary could not be understood"
        for reason, users in sorted(self.failures.items()):
            yield f"{users} users not read ({reason})"
        if self.unreadable_events:
            yield f"{self.unreadable_events} events could not be understood"

    async def _work_off(self, user_ids: Iterator[str]) -> None:
        for user_id in user_ids:
            if self.given_up is None:
                await self._ask_user(user_id)
            else:
                self.failures[self.given_up.reason] += 1
            self.progress.advance(self.source.account)

    async def _ask_user(self, user_id: str) -> None:
        try:
            details = await self._read_user(user_id)
        except PollError as error:
            self._note_failure(user_id, error)
            return
        self.in_vain = 0
        if details is not None:
            self.unreadable_events += details.unreadable_events
            self.reader.learn_user(user_id, details)

    async def _read_user(self, user_id: str) -> UserDetails | None:
        """The user's details; None where the API knows no such user any more."""
        client, account_id = self.source.client, self.source.account_id
        try:
            # Urgent, though the events are old: somebody is waiting for the file.
            return await self._ask(
                Priority.URGENT_DETAILS, lambda: client.read_user(account_id, user_id)
            )
        except NotFoundError:
            return None

    def _note_failure(self, user_id: str, error: PollError) -> None:
        account = self.source.account
        _log.warning("user.read_failed", account=account, user_id=user_id, reason=error.reason)
        self.failures[error.reason] += 1
        self.in_vain += 1
        if isinstance(error, _MEETS_EVERYBODY) or self.in_vain >= GIVEN_UP_AFTER:
            self.given_up = error

    async def _ask(self, priority: Priority, read: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Ask until there is an answer, or a failure that will not pass, which is raised."""
        failures = 0
        while True:
            # No error may leave the block: to the governor that would be a cancellation.
            with await self.source.governor.admit(self.source.account, priority):
                outcome = await _attempt(read)
            if not isinstance(outcome, PollError):
                return outcome
            failures += 1
            if failures >= _attempts(outcome):
                raise outcome
            delay = delay_after_failure(
                failures, outcome, interval=RETRY_SECONDS, jitter=self.source.jitter()
            )
            await self.source.clock.sleep(delay)


async def _attempt(read: Callable[[], Awaitable[_Answer]]) -> _Answer | PollError:
    try:
        return await read()
    except PollError as error:
        return error


def _attempts(error: PollError) -> int:
    """How often to ask in all where this is the last failure."""
    if isinstance(error, ThrottledError):
        return THROTTLED_ATTEMPTS
    return ATTEMPTS if isinstance(error, _MAY_PASS) else 1
