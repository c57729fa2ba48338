"""The only writer of an account's ledger.

Pollers submit observations. One task per account applies them in order, commits them and hands an
immutable value to the publisher.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Never, TypeAlias

from exporter.chunked import Chunked, Pause, in_chunks, run_chunked, was_full_chunk
from exporter.clock import Clock
from exporter.errors import CommitError, StateError
from exporter.logs import StateChangeLog, get_logger
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.queues import RefreshReason
from exporter.polling.view import AccountView, Counters
from exporter.risk.ledger import Changes, EventMark, Ledger
from exporter.risk.model import EventCount
from exporter.store import Store
from exporter.telemetry import Telemetry

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Commit:
    """The outcome of one transaction.

    `saved` are the changes that became durable, including earlier ones whose commit had failed; None
    if this commit failed with `error`. `seconds` is None if nothing had to be stored.
    """

    saved: Changes | None
    seconds: float | None
    error: CommitError | None = None


class DurableLedger:
    """An account's ledger and the changes in it that are not on disk yet.

    Observations are applied to the ledger even if they cannot be committed, so that a full disk
    hides no user. `counters` and
    `events_of` stay at the last successful commit. `pause` is awaited between the chunks of a
    large change. Only one task at a time may call `apply` and `commit`.
    """

    def __init__(
        self, account_id: str, ledger: Ledger, store: Store, *, clock: Clock, pause: Pause
    ) -> None:
        self.account_id = account_id
        self.ledger = ledger
        self.ledger.exemplars_after = clock.time()
        self._pause = pause
        self._store = store
        self._clock = clock
        self._uncommitted = Changes()
        self._committed: Counters | None = None
        self._committed_events: dict[str, tuple[EventCount, ...]] = {}

    async def marks(self, user_id: str) -> Mapping[bytes, EventMark]:
        """Return the event marks of one user, uncommitted ones included. Raises StateError."""
        marks = dict(await self._store.load_marks(self.account_id, user_id))
        for key, mark in self._uncommitted.marks.get(user_id, {}).items():
            if mark is None:
                marks.pop(key, None)
            else:
                marks[key] = mark
        return marks

    async def apply(self, changes: Changes) -> None:
        """Apply `changes` in memory; the next commit makes them durable.

        If cancelled, apply the remaining chunks before propagating the cancellation.
        """
        await run_chunked(self._apply(changes), self._pause)

    async def commit(self) -> Commit:
        """Commit all changes applied since the last successful commit.

        A cancelled commit counts as failed: the next one writes the same values again, which does
        no harm if the store had finished.
        """
        changes = self._uncommitted
        seconds = None
        if changes.must_be_stored:
            began = self._clock.monotonic()
            error = await self._store_changes(changes)
            seconds = self._clock.monotonic() - began
            if error is not None:
                return Commit(None, seconds, error)
        self._uncommitted = Changes()
        self._committed = None
        self._committed_events.clear()
        return Commit(changes, seconds)

    def counters(self) -> Counters:
        """Return the account's counters as of the last commit."""
        return self._committed or self._current()

    def events_of(self, user_id: str) -> tuple[EventCount, ...]:
        """Return a user's counters as of the last commit; empty if nothing was counted."""
        events = self._committed_events.get(user_id)
        if events is not None:
            return events
        record = self.ledger.users.get(user_id)
        return () if record is None else record.events

    async def _store_changes(self, changes: Changes) -> CommitError | None:
        try:
            await self._store.commit(self.account_id, changes)
        except CommitError as error:
            return error
        return None

    def _apply(self, changes: Changes) -> Chunked[None]:
        """Apply `changes`, but keep the committed counters: they are exposed until the next commit."""
        if self._committed is None:
            self._committed = self._current()
        for users in in_chunks(changes.users):
            for user_id in users:
                self._committed_events.setdefault(user_id, self.events_of(user_id))
            if was_full_chunk(users):
                yield
        self._uncommitted = self._uncommitted.then(changes)
        yield from self.ledger.apply_in_steps(changes)

    def _current(self) -> Counters:
        return Counters(
            created=self.ledger.account.created,
            resets=self.ledger.account.resets,
            totals=tuple(self.ledger.totals.values()),
            level_changes=dict(self.ledger.level_changes),
        )


class CommitResult(Enum):
    """What became of a submitted observation.

    - `COMMITTED`: it is durable.
    - `UNCOMMITTED`: it is applied in memory and is committed with the next observation.
    - `UNREADABLE`: the state it depends on could not be read, so it was not applied.
    """

    COMMITTED = "committed"
    UNCOMMITTED = "uncommitted"
    UNREADABLE = "unreadable"


Observe: TypeAlias = Callable[[DurableLedger], Awaitable[Changes]]
"""Compares what was polled with the ledger. Runs in the writer's task, so that nothing else changes
the ledger meanwhile. Raises StateError."""


@dataclass(frozen=True, slots=True)
class _Submission:
    observe: Observe
    moves_users: bool
    result: asyncio.Future[CommitResult] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class LedgerWriter:
    """Applies, commits and hands on the observations of one account, strictly in order.

    Observations that wait together are committed in one transaction. `run` is the writer's task.
    """

    def __init__(
        self,
        *,
        account: str,
        durable: DurableLedger,
        view: AccountView,
        publisher: Publisher,
        planner: Planner,
        store: Store,
        telemetry: Telemetry,
        pause: Pause,
    ) -> None:
        self._account = account
        self._durable = durable
        self._view = view
        self._publisher = publisher
        self._planner = planner
        self._store = store
        self._telemetry = telemetry
        self._pause = pause
        self._queue: asyncio.Queue[_Submission] = asyncio.Queue()
        self._is_closed = False
        self._failures = StateChangeLog(_log)
        for reason in RefreshReason:
            pending = telemetry.pending_users.labels(account, reason.label)
            pending.set_function(partial(planner.pending, reason))

    @property
    def ledger(self) -> Ledger:
        """The account's ledger, for reading."""
        return self._durable.ledger

    async def submit(self, observe: Observe, *, moves_users: bool = False) -> CommitResult:
        """Apply and commit an observation in the writer's task; return when its publication is enqueued.

        Set `moves_users` if users may have come, gone or changed their level. After `close` this
        never returns: the caller is about to be cancelled.
        """
        submission = _Submission(observe, moves_users)
        if not self._is_closed:
            self._queue.put_nowait(submission)
        return await submission.result

    async def refresh(self, *, moves_users: bool = False) -> None:
        """Publish the account again, after a change outside the ledger."""
        await self.submit(_observe_nothing, moves_users=moves_users)

    async def run(self) -> Never:
        """Process submissions in order until cancelled."""
        try:
            while True:
                batch = [await self._queue.get(), *self._waiting()]
                try:
                    await self._write(batch)
                finally:
                    for _ in batch:
                        self._queue.task_done()
        finally:
            self._is_closed = True
            for _ in self._waiting():
                self._queue.task_done()

    async def close(self) -> None:
        """Accept no further submission, and wait until all earlier ones are processed.

        Return at once if the writer's task has ended.
        """
        self._is_closed = True
        await self._queue.join()

    async def forget_marks(self, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant. A failure is logged."""
        try:
            await self._store.forget_marks(self._durable.account_id, gone_before=gone_before)
        except CommitError as error:
            self._record_failure(error)

    def _waiting(self) -> list[_Submission]:
        """Take all submissions that wait now."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]

    async def _write(self, batch: Sequence[_Submission]) -> None:
        applied: list[Changes] = []
        readable: list[_Submission] = []
        for submission in batch:
            try:
                changes = await submission.observe(self._durable)
            except StateError as error:
                self._record_failure(error)
                _resolve(submission, CommitResult.UNREADABLE)
                continue
            await self._durable.apply(changes)
            applied.append(changes)
            readable.append(submission)
        if not readable:
            return
        commit = await self._durable.commit()
        self._report(commit)
        for changes in applied:
            await self._update_planner(changes)
        moves_users = any(submission.moves_users for submission in readable)
        changed = _changed_users(applied, commit)
        self._publisher.enqueue(
            await self._view.publication(changed, reselect=moves_users), saved=commit.saved
        )
        is_durable = commit.error is None
        for submission in readable:
            _resolve(submission, CommitResult.COMMITTED if is_durable else CommitResult.UNCOMMITTED)

    async def _update_planner(self, changes: Changes) -> None:
        for users in in_chunks(changes.users.items()):
            for user_id, record in users:
                self._planner.learn(user_id, record)
            if was_full_chunk(users):
                await self._pause()
        since = self._planner.pending_since
        if since is not None:
            self._telemetry.oldest_pending.labels(self._account).set(since)
        else:
            self._telemetry.forget_oldest_pending(self._account)

    def _report(self, commit: Commit) -> None:
        if commit.seconds is None:
            return
        self._telemetry.state_commit_duration.set(commit.seconds)
        self._telemetry.state_size.set(self._store.size_bytes())
        if commit.error is not None:
            self._record_failure(commit.error)
        else:
            self._failures.end("state.recovered", account=self._account)

    def _record_failure(self, error: CommitError | StateError) -> None:
        self._telemetry.state_commit_failures.inc()
        self._failures.begin("state.commit_failed", account=self._account, error=str(error))


async def _observe_nothing(_: DurableLedger) -> Changes:
    return Changes()


def _changed_users(applied: Sequence[Changes], commit: Commit) -> set[str]:
    """Return the users whose gauges or exposed counters may differ from before."""
    changed: set[str] = set()
    for changes in applied:
        changed.update(changes.users, changes.renamed)
    if commit.saved is not None:
        changed.update(commit.saved.users)
    return changed


def _resolve(submission: _Submission, result: CommitResult) -> None:
    """Report the result, unless the submitter was cancelled meanwhile."""
    if not submission.result.done():
        submission.result.set_result(result)
