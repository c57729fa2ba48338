"""Commit before publish: one account's ledger, and what of it is on disk.

The ledger always moves on, so that no observation is lost; the counters that may be shown stay
where the last commit left them until the next one succeeds.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.errors import CommitError
from exporter.risk.ledger import Changes, EventMark, Ledger
from exporter.risk.model import EventCount, RiskLevel
from exporter.steps import Pause, Steps, in_slices, may_go_on, with_rests
from exporter.store import Store


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
            await with_rests(self._move(changes, attempt), self._pause)
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

    def _move(self, changes: Changes, attempt: Changes) -> Steps[None]:
        """Move the ledger on, after remembering what is shown, which the disk does not know."""
        if self._shown is None:
            self._shown = self._current()
        for some in in_slices(changes.users):
            for user_id in some:
                self._shown_events.setdefault(user_id, self.events_of(user_id))
            if may_go_on(some):
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
