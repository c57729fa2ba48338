"""Exposes one account: takes its publications from a one-slot mailbox and renders them.

Publications that are enqueued during rendering are merged into the next one.
"""

import asyncio
from collections import Counter, deque
from collections.abc import KeysView, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Never

import msgspec

from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.polling.view import Publication
from exporter.risk.ledger import Changes, CountedEvent
from exporter.risk.model import AccountSnapshot, RiskLevel, UserRow
from exporter.telemetry import Telemetry

PAUSES_PER_PUBLICATION = 4.0
"""The pause after a publication, as a multiple of its duration. A publication has a fixed cost,
however few users changed; with this pause it takes at most a fifth of the time."""

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

FIRST_ZERO_SECONDS = 120.0
"""How long a user's new counter is exposed at 0 if no scrape comes."""

CounterKey = tuple[str, RiskLevel]


class NewCounters:
    """The users' counters that began while this process runs and are exposed at 0 first.

    Prometheus assumes that a new series always had its first value: `increase()` would miss the
    events of a counter that begins above 0. So a new counter is exposed at 0 until a whole scrape
    has carried it, or for `FIRST_ZERO_SECONDS`. The cost grows with the number of new counters.
    """

    def __init__(self) -> None:
        self._at_zero: dict[str, set[CounterKey]] = {}
        self._rows: dict[str, UserRow] = {}
        self._unshown: list[tuple[str, CounterKey]] = []
        self._shown: deque[tuple[int, float, Sequence[tuple[str, CounterKey]]]] = deque()

    def add(self, saved: Changes) -> None:
        """Add the counters that counted no events before these changes."""
        tally = Counter((one.user_id, (one.behavior, one.event.level)) for one in saved.counted)
        for (user_id, key), counted in tally.items():
            events = saved.users[user_id].events
            if any((one.behavior, one.level) == key and one.count == counted for one in events):
                self._at_zero.setdefault(user_id, set()).add(key)
                self._unshown.append((user_id, key))

    def keep_rows(self, publication: Publication) -> None:
        """Keep the rows of users with counters at 0, to be exposed as they are later."""
        for user_id in self._at_zero.keys() & publication.changed:
            row = publication.rows.get(user_id)
            if row is None:
                self._rows.pop(user_id, None)
            else:
                self._rows[user_id] = row

    def row(self, user_id: str) -> UserRow | None:
        """Return the kept row of a user with the counters that are still new at 0."""
        row = self._rows.get(user_id)
        keys = self._at_zero.get(user_id)
        if row is None or keys is None:
            return row
        events = tuple(
            msgspec.structs.replace(one, count=0, exemplar=None)
            if (one.behavior, one.level) in keys
            else one
            for one in row.events
        )
        return msgspec.structs.replace(row, events=events)

    @property
    def users(self) -> KeysView[str]:
        """The users who have a counter at 0."""
        return self._at_zero.keys()

    @property
    def unshown(self) -> int:
        """How many counters were added since `note_shown` last took them."""
        return len(self._unshown)

    def note_shown(self, count: int, *, publication: int, now: float) -> None:
        """Record that the first `count` unshown counters are exposed at 0 since `now`."""
        if count:
            counters = self._unshown[:count]
            self._shown.append((publication, now + FIRST_ZERO_SECONDS, counters))
            del self._unshown[:count]

    def release(self, *, carried: float = 0, now: float = -inf) -> dict[str, UserRow]:
        """Return the rows to expose next, because fewer of their counters are at 0.

        This releases the counters that publication `carried` or an earlier one exposed, and those
        exposed at 0 for `FIRST_ZERO_SECONDS` at `now`.
        """
        released: dict[str, UserRow] = {}
        while self._shown and (self._shown[0][0] <= carried or self._shown[0][1] <= now):
            for user_id, key in self._shown.popleft()[2]:
                keys = self._at_zero[user_id]
                keys.remove(key)
                if not keys:
                    del self._at_zero[user_id]
                row = self.row(user_id)
                if row is not None:
                    released[user_id] = row
                if not keys:
                    self._rows.pop(user_id, None)
        return released

    def wait_seconds(self, now: float) -> float:
        """Return the seconds until the next counter is due for release, at most `FIRST_ZERO_SECONDS`."""
        return self._shown[0][1] - now if self._shown else FIRST_ZERO_SECONDS


@dataclass(slots=True)
class _Unpublished:
    """The one slot of the mailbox: what changed since the last publication was rendered."""

    changed: set[str] = field(default_factory=set)
    rows: dict[str, UserRow] = field(default_factory=dict)
    counted: list[CountedEvent] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing about users changed."""
        return not (self.changed or self.counted)

    def merge(self, later: "_Unpublished") -> None:
        """Add later changes; they replace earlier ones of the same users."""
        for user_id in self.rows.keys() & later.changed:
            del self.rows[user_id]
        self.changed |= later.changed
        self.rows.update(later.rows)
        self.counted += later.counted


class Publisher:
    """Exposes the publications of one account; `run` is its only task."""

    def __init__(
        self, *, account: str, exposition: Exposition, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._account = account
        self._exposition = exposition
        self._telemetry = telemetry
        self._clock = clock
        self._snapshot: AccountSnapshot | None = None
        self._unpublished = _Unpublished()
        self._published: AccountSnapshot | None = None
        self._publications = 0
        self._new_counters = NewCounters()
        self._flushes: list[asyncio.Future[None]] = []
        self._has_changes = asyncio.Event()
        self._is_urgent = asyncio.Event()

    def enqueue(self, publication: Publication, *, saved: Changes | None = None) -> None:
        """Put a publication into the mailbox, merged with what it still holds.

        `saved` are the changes that became durable since the publication before. The caller must
        not use it afterwards.
        """
        if saved is not None:
            self._new_counters.add(saved)
        self._new_counters.keep_rows(publication)
        self._snapshot = publication.snapshot
        counted = [] if saved is None else list(saved.counted)
        self._put(_Unpublished(publication.changed, publication.rows, counted))

    async def run(self) -> Never:
        """Publish what is enqueued, with a pause after each publication.

        No pause follows a flush, because flushes are as rare as polls, and details follow at once.
        """
        while True:
            await self._wait_for_changes()
            is_flush = self._is_urgent.is_set()
            began = self._clock.monotonic()
            await self.publish()
            if is_flush:
                continue
            pause = PAUSES_PER_PUBLICATION * (self._clock.monotonic() - began)
            pause = min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            await self._clock.wait(self._is_urgent, pause)

    async def flush(self) -> None:
        """Return when everything enqueued so far is exposed, without the pause in between."""
        flushed = asyncio.get_running_loop().create_future()
        self._flushes.append(flushed)
        self._has_changes.set()
        self._is_urgent.set()
        await flushed

    async def flush_counters(self) -> None:
        """Like `flush`, with every counter at its value, new ones included."""
        await self.flush()
        self._release(inf)
        await self.flush()

    async def publish(self) -> None:
        """Render and expose what is enqueued. Must not be called while `run` is running.

        If cancelled, nothing is exposed, and the next publication exposes it.
        """
        flushes, self._flushes = self._flushes, []
        self._has_changes.clear()
        self._is_urgent.clear()
        taken, self._unpublished = self._unpublished, _Unpublished()
        try:
            await self._expose(taken)
        except BaseException:
            taken.merge(self._unpublished)
            self._unpublished = taken
            raise
        for flushed in flushes:
            if not flushed.done():
                flushed.set_result(None)

    async def _wait_for_changes(self) -> None:
        while not self._has_changes.is_set():
            wait_seconds = self._new_counters.wait_seconds(self._clock.monotonic())
            await self._clock.wait(self._has_changes, wait_seconds)
            self._expose_later(self._new_counters.release(now=self._clock.monotonic()))

    async def _expose(self, unpublished: _Unpublished) -> None:
        snapshot = self._snapshot
        if snapshot is None or (snapshot is self._published and unpublished.is_empty):
            return
        self._publications += 1
        publication = self._publications
        new_counters = self._new_counters.unshown
        rows = unpublished.rows
        for user_id in self._new_counters.users & rows.keys():
            row = self._new_counters.row(user_id)
            if row is not None:
                rows[user_id] = row
        await self._exposition.publish(
            replace(snapshot, users=rows),
            changed=None if self._published is None else unpublished.changed,
            on_carried=partial(self._release, publication),
        )
        now = self._clock.monotonic()
        self._new_counters.note_shown(new_counters, publication=publication, now=now)
        self._published = snapshot
        self._observe_delays(unpublished.counted)

    def _release(self, publication: float) -> None:
        self._expose_later(self._new_counters.release(carried=publication))

    def _expose_later(self, rows: dict[str, UserRow]) -> None:
        if rows:
            self._put(_Unpublished(set(rows), rows))

    def _put(self, unpublished: _Unpublished) -> None:
        if self._unpublished.is_empty:
            self._unpublished = unpublished
        else:
            self._unpublished.merge(unpublished)
        self._has_changes.set()

    def _observe_delays(self, counted: Sequence[CountedEvent]) -> None:
        now = self._clock.time()
        delay = self._telemetry.detection_delay.labels(self._account)
        for one in counted:
            delay.observe(max(now - one.event.timestamp, 0.0))
