"""Commits observations to one account's ledger before they are published."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from exporter.chunked import Chunked, Pause, in_chunks, run_chunked, was_full_chunk
from exporter.clock import Clock
from exporter.errors import CommitError, StateError
from exporter.polling.planner import Planner
from exporter.polling.queues import RefreshReason
from exporter.risk.ledger import Changes, EventMark, Ledger
from exporter.risk.model import EventCount, RiskLevel
from exporter.store import Store
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from exporter.polling.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Counters:
    """An account's counters as they may be shown."""

    created: float
    resets: int
    totals: tuple[EventCount, ...]
    level_changes: Mapping[tuple[RiskLevel, RiskLevel], int]


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of recording one observation.

    `saved` is what became durable, earlier changes that had failed included; None where the
    commit failed. `error` says why it failed.
    """

    observed: Changes
    saved: Changes | None
    seconds: float
    error: CommitError | None = None


class Journal:
    """Records observations of one account, one after another.

    Whoever observes holds `lock` from reading the ledger until `record` has returned. Whoever
    shows the ledger and the counters holds `moving` meanwhile: without it they may find a half of
    what was observed. It is never held while a disk works. `pause` is awaited between the steps
    of a large change.
    """

    def __init__(
        self, account_id: str, ledger: Ledger, store: Store, *, clock: Clock, pause: Pause
    ) -> None:
        self.account_id = account_id
        self.ledger = ledger
        self.ledger.exemplars_after = clock.time()
        self.lock = asyncio.Lock()
        self.moving = asyncio.Lock()
        self._pause = pause
        self._store = store
        self._clock = clock
        self._unsaved = Changes()
        self._shown: Counters | None = None
        self._shown_events: dict[str, tuple[EventCount, ...]] = {}

    async def marks(self, user_id: str) -> Mapping[bytes, EventMark]:
        """The event marks of one user, those not yet on disk included. Raises StateError."""
        marks = dict(await self._store.load_marks(self.account_id, user_id))
        for key, mark in self._unsaved.marks.get(user_id, {}).items():
            if mark is None:
                marks.pop(key, None)
            else:
                marks[key] = mark
        return marks

    async def record(self, changes: Changes) -> Entry:
        """Move the ledger on and commit `changes`, with all that failed to be committed before.

        Until the commit has succeeded everything stands as if it had failed: whoever is
        cancelled meanwhile leaves nothing behind that is neither here nor on disk.
        """
        attempt = self._unsaved.then(changes)
        async with self.moving:
            await run_chunked(self._move(changes, attempt), self._pause)
        began = self._clock.monotonic()
        error = await self._commit(attempt)
        seconds = self._clock.monotonic() - began
        if error is None:
            async with self.moving:
                self._unsaved = Changes()
                self._shown = None
                self._shown_events.clear()
        return Entry(
            observed=changes,
            saved=attempt if error is None else None,
            seconds=seconds,
            error=error,
        )

    def counters(self) -> Counters:
        """The account's counters as of the last commit."""
        return self._shown or self._current()

    def events_of(self, user_id: str) -> tuple[EventCount, ...]:
        """A user's counters as of the last commit; empty where nothing was counted."""
        held = self._shown_events.get(user_id)
        if held is not None:
            return held
        record = self.ledger.users.get(user_id)
        return () if record is None else record.events

    async def _commit(self, changes: Changes) -> CommitError | None:
        if not changes.must_be_stored:
            return None
        try:
            await self._store.commit(self.account_id, changes)
        except CommitError as error:
            return error
        return None

    def _move(self, changes: Changes, attempt: Changes) -> Chunked[None]:
        """Move the ledger on, after remembering what is shown, which the disk does not know."""
        if self._shown is None:
            self._shown = self._current()
        for some in in_chunks(changes.users):
            for user_id in some:
                self._shown_events.setdefault(user_id, self.events_of(user_id))
            if was_full_chunk(some):
                yield
        self._unsaved = attempt
        yield from self.ledger.apply_in_steps(changes)

    def _current(self) -> Counters:
        return Counters(
            created=self.ledger.account.created,
            resets=self.ledger.account.resets,
            totals=tuple(self.ledger.totals.values()),
            level_changes=dict(self.ledger.level_changes),
        )


_log = structlog.get_logger(__name__)


class Recorder:
    """Records changes of one account's ledger and tells planner and telemetry.

    The caller holds the journal's lock while it makes the changes and calls `record`. `pause` is
    awaited between users where there are many.
    """

    def __init__(
        self,
        *,
        account: str,
        journal: Journal,
        publication: "Publisher",
        planner: Planner,
        store: Store,
        telemetry: Telemetry,
        pause: Pause,
    ) -> None:
        self._account = account
        self._journal = journal
        self._publication = publication
        self._planner = planner
        self._store = store
        self._telemetry = telemetry
        self._pause = pause
        self._has_failed = False
        for want in RefreshReason:
            pending = telemetry.pending_users.labels(account, want.label)
            pending.set_function(partial(planner.pending, want))

    async def record(self, changes: Changes, *, moves_users: bool = False) -> None:
        """Commit `changes`, have them shown, and let the planner know who is wanted now.

        Where users may have come, gone or changed their level, the caller calls
        `Publisher.show` afterwards, without the lock; else they are shown by and by.
        """
        entry = await self._journal.record(changes)
        # At once: nobody may show the account meanwhile without what is committed of it.
        self._publication.note(entry, reselect=moves_users)
        for users in in_chunks(changes.users.items()):
            for user_id, record in users:
                self._planner.learn(user_id, record)
            if was_full_chunk(users):
                await self._pause()
        self._tell_oldest()
        self._tell_state(entry)

    async def forget_marks(self, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant; a failure is told, not raised."""
        try:
            await self._store.forget_marks(self._journal.account_id, gone_before=gone_before)
        except CommitError as error:
            self._tell_failure(error)

    def note_unreadable_state(self, error: StateError) -> None:
        """Tell that what was remembered of a user could not be read, and so nothing counted."""
        self._tell_failure(error)

    def _tell_oldest(self) -> None:
        since = self._planner.pending_since
        if since is not None:
            self._telemetry.oldest_pending.labels(self._account).set(since)
        else:
            self._telemetry.forget_oldest_pending(self._account)

    def _tell_state(self, entry: Entry) -> None:
        self._telemetry.state_commit_duration.set(entry.seconds)
        self._telemetry.state_size.set(self._store.size_bytes())
        if entry.error is not None:
            self._tell_failure(entry.error)
        elif self._has_failed:
            self._has_failed = False
            _log.info("state.recovered", account=self._account)

    def _tell_failure(self, error: CommitError | StateError) -> None:
        self._telemetry.state_commit_failures.inc()
        tell = _log.debug if self._has_failed else _log.warning
        tell("state.commit_failed", account=self._account, error=str(error))
        self._has_failed = True
