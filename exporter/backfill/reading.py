"""Reading everything that the API still holds of one account, within the quota."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from exporter.backfill.history import AccountHistory, HistoryBuilder, Timeline
from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ForbiddenError, NotFoundError, PollError, Scope, ThrottledError
from exporter.logs import get_logger
from exporter.polling.backoff import delay_after_failure
from exporter.polling.governor import Governor
from exporter.polling.quota_window import Priority
from exporter.risk.model import SummaryReading, UserDetails
from exporter.risk.projection import Disclosure

WORKERS = 3
"""How many users of an account are read at the same time, to hide the API's latency."""

ATTEMPTS = 3
"""How many times a request is sent whose failure may be transient."""

THROTTLED_ATTEMPTS = 12
"""The same while other clients use up the quota: an hour, at five minutes each."""

RETRY_SECONDS = 2.0
"""The base of the delay after a failure."""

MAX_FAILED_USERS = 10
"""After this many consecutive users could not be read, the remaining users are skipped."""

_Result = TypeVar("_Result")

_log = get_logger(__name__)


class Progress(Protocol):
    """Shows how many users of each account there are and how many were read."""

    def begin(self, account: str, *, users: int) -> None:
        """Start the account, of which `users` will be read."""
        ...

    def advance(self, account: str) -> None:
        """Count one user of the account, read successfully or not."""
        ...


@dataclass(frozen=True, slots=True)
class AccountSource:
    """The means to read one account; `account` is its label.

    `jitter` returns a random number from 0 to 1.
    """

    account: str
    account_id: str
    client: CloudflareClient
    governor: Governor
    clock: Clock
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class AccountReading:
    """The result for one account; `history` is None if its users could not be listed.

    `problems` describe what is missing, for people; empty if nothing is.
    """

    account: str
    history: AccountHistory | None
    problems: tuple[str, ...]


async def read_account(
    source: AccountSource, timeline: Timeline, *, disclosure: Disclosure, progress: Progress
) -> AccountReading:
    """Read behaviors, summary and every listed user's details. Never raises a PollError.

    If the token may not read behaviors, events keep the names that the API gives them, as they do
    on `/metrics` with that token. After any other failure to read behaviors the account is not
    read, because the names could differ from those on `/metrics`.
    """
    builder = HistoryBuilder(source.account, timeline)
    reader = _AccountReader(source, builder, progress)
    try:
        await reader.read_behaviors()
        users = await reader.read_summary()
    except PollError as error:
        _log.warning("account.read_failed", account=source.account, reason=error.reason)
        return AccountReading(source.account, None, (f"not read ({error.reason}): {error}",))
    await reader.read_users(users)
    return AccountReading(source.account, builder.finish(disclosure), tuple(reader.problems()))


@dataclass(slots=True)
class _AccountReader:
    """Reads one account into `builder` and counts what could not be read."""

    source: AccountSource
    builder: HistoryBuilder
    progress: Progress
    behaviors_forbidden: bool = False
    unreadable_rows: int = 0
    unreadable_events: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    consecutive_failures: int = 0
    stopped_by: PollError | None = None

    async def read_behaviors(self) -> None:
        client, account_id = self.source.client, self.source.account_id
        try:
            self.builder.add_behaviors(
                await self._request(
                    Priority.CONFIGURATION, lambda: client.read_behaviors(account_id)
                )
            )
        except ForbiddenError:
            self.behaviors_forbidden = True

    async def read_summary(self) -> tuple[str, ...]:
        """Return the ids of the users to read."""
        client, account_id = self.source.client, self.source.account_id
        reading: SummaryReading = await self._request(
            Priority.SUMMARY, lambda: client.read_summary(account_id)
        )
        self.unreadable_rows = reading.unreadable - len(reading.kept)
        return self.builder.add_summary(reading)

    async def read_users(self, user_ids: tuple[str, ...]) -> None:
        """Read all users; skip the remaining ones after a failure that concerns them all."""
        self.progress.begin(self.source.account, users=len(user_ids))
        remaining = iter(user_ids)
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._read_remaining(remaining))

    def problems(self) -> Iterator[str]:
        """Yield one line for each kind of missing data."""
        if self.behaviors_forbidden:
            yield "behaviors not read (forbidden): events keep the names the API gives them"
        if self.unreadable_rows:
            yield f"{self.unreadable_rows} unreadable rows of the summary"
        for reason, users in sorted(self.failures.items()):
            yield f"{users} users not read ({reason})"
        if self.unreadable_events:
            yield f"{self.unreadable_events} unreadable events"

    async def _read_remaining(self, user_ids: Iterator[str]) -> None:
        for user_id in user_ids:
            if self.stopped_by is None:
                await self._read_user(user_id)
            else:
                self.failures[self.stopped_by.reason] += 1
            self.progress.advance(self.source.account)

    async def _read_user(self, user_id: str) -> None:
        client, account_id = self.source.client, self.source.account_id
        try:
            # Urgent although the events are old, because a person waits for the file.
            details: UserDetails = await self._request(
                Priority.URGENT_DETAILS, lambda: client.read_user(account_id, user_id)
            )
        except NotFoundError:
            self.consecutive_failures = 0
        except PollError as error:
            self._record_failure(user_id, error)
        else:
            self.consecutive_failures = 0
            self.unreadable_events += details.unreadable_events
            self.builder.add_user(user_id, details)

    def _record_failure(self, user_id: str, error: PollError) -> None:
        account = self.source.account
        _log.warning("user.read_failed", account=account, user_id=user_id, reason=error.reason)
        self.failures[error.reason] += 1
        self.consecutive_failures += 1
        if error.scope is not Scope.REQUEST or self.consecutive_failures >= MAX_FAILED_USERS:
            self.stopped_by = error

    async def _request(self, priority: Priority, read: Callable[[], Awaitable[_Result]]) -> _Result:
        """Send a request until it succeeds; raise the last error, or one that is not transient."""
        failures = 0
        while True:
            # The governor takes an error that leaves the block for a cancellation.
            with await self.source.governor.admit(self.source.account, priority):
                result = await _result_or_error(read)
            if not isinstance(result, PollError):
                return result
            failures += 1
            if failures >= _max_attempts(result):
                raise result
            delay = delay_after_failure(
                failures, result, interval=RETRY_SECONDS, jitter=self.source.jitter()
            )
            await self.source.clock.sleep(delay)


async def _result_or_error(read: Callable[[], Awaitable[_Result]]) -> _Result | PollError:
    try:
        return await read()
    except PollError as error:
        return error


def _max_attempts(error: PollError) -> int:
    """Return how many times to send a request whose last failure is `error`."""
    if isinstance(error, ThrottledError):
        return THROTTLED_ATTEMPTS
    return ATTEMPTS if error.is_transient else 1
