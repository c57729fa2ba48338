"""What of one account is shown, and the moment it is: the only way to the exposition.

Gauges follow the last good observation, counters the last commit. Publishing is done by one
task at a time; what others want shown meanwhile goes out together in the next turn.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from math import inf
from typing import Never

from msgspec.structs import replace

from exporter.chunked import Chunked, Pause, in_chunks, run_chunked
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.polling.ledger_writer import Entry, Journal
from exporter.polling.resource import AccountState
from exporter.risk.ledger import Changes, CountedEvent
from exporter.risk.model import (
    AccountGauges,
    AccountSnapshot,
    EventCount,
    Identity,
    RiskLevel,
    UserRow,
)
from exporter.risk.projection import Disclosure, user_row
from exporter.risk.selection import Selection
from exporter.telemetry import Telemetry

RESTS_PER_PUBLICATION = 4.0
"""How many times as long as a publication took is rested after it. A publication has a price of
its own, however few users changed: with this rest it never takes more than a fifth of the time."""

SHORTEST_REST_SECONDS = 0.1
LONGEST_REST_SECONDS = 1.0


FIRST_ZERO_SECONDS = 120.0
"""How long a user's new counter is shown at 0 where no scrape comes."""

Pair = tuple[str, RiskLevel]


class _NewCounters:
    """The users' counters that began while this process runs and are shown at 0 first.

    Prometheus takes the first value of a series for the one it always had: `increase()` would miss
    the events of a counter that begins above 0. So a new counter is shown at 0 until a whole scrape
    has carried it, or for `FIRST_ZERO_SECONDS`. The cost grows with the number of new counters.
    """

    def __init__(self) -> None:
        self._at_zero: dict[str, set[Pair]] = {}
        self._unshown: list[tuple[str, Pair]] = []
        self._shown: deque[tuple[int, float, Sequence[tuple[str, Pair]]]] = deque()
        self._publications = 0

    def note(self, saved: Changes) -> None:
        """Add the counters that have counted nothing but what these changes count."""
        tally = Counter((one.user_id, (one.behavior, one.event.level)) for one in saved.counted)
        for (user_id, pair), counted in tally.items():
            events = saved.users[user_id].events
            if any((one.behavior, one.level) == pair and one.count == counted for one in events):
                self._at_zero.setdefault(user_id, set()).add(pair)
                self._unshown.append((user_id, pair))

    def as_shown(self, user_id: str, events: tuple[EventCount, ...]) -> tuple[EventCount, ...]:
        """Return a user's counters with the new ones at 0."""
        pairs = self._at_zero.get(user_id)
        if pairs is None:
            return events
        return tuple(
            replace(one, count=0, exemplar=None) if (one.behavior, one.level) in pairs else one
            for one in events
        )

    @property
    def unshown(self) -> int:
        """How many were noted since the last call of `note_shown`."""
        return len(self._unshown)

    def next_publication(self) -> int:
        """Return a number for a publication, larger than those before."""
        self._publications += 1
        return self._publications

    def note_shown(self, count: int, *, publication: int, now: float) -> None:
        """Take the first `count` of the unshown counters as shown at 0 since `now`."""
        if count:
            counters = self._unshown[:count]
            self._shown.append((publication, now + FIRST_ZERO_SECONDS, counters))
            del self._unshown[:count]

    def release(self, *, carried: float = 0, now: float = -inf) -> set[str]:
        """Return the users whose counters stay at 0 no longer.

        Those are the counters that publication `carried` or one before showed, and those whose time
        is over at `now`.
        """
        released: set[str] = set()
        while self._shown and (self._shown[0][0] <= carried or self._shown[0][1] <= now):
            for user_id, pair in self._shown.popleft()[2]:
                self._at_zero[user_id].remove(pair)
                if not self._at_zero[user_id]:
                    del self._at_zero[user_id]
                released.add(user_id)
        return released

    def wait_seconds(self, now: float) -> float:
        """Return for how long no time is over, `FIRST_ZERO_SECONDS` at most."""
        return self._shown[0][1] - now if self._shown else FIRST_ZERO_SECONDS


class Publisher:
    """One account's place in the exposition."""

    def __init__(
        self,
        *,
        account: str,
        journal: Journal,
        state: AccountState,
        disclosure: Disclosure,
        exposition: Exposition,
        telemetry: Telemetry,
        clock: Clock,
        pause: Pause,
    ) -> None:
        self._account = account
        self._journal = journal
        self._state = state
        self._disclosure = disclosure
        self._exposition = exposition
        self._telemetry = telemetry
        self._clock = clock
        self._pause = pause
        self._lock = asyncio.Lock()
        self._selection = Selection(journal.ledger, disclosure)
        self._reselect = True
        self._was_shown = False
        self._changed: set[str] = set()
        self._untold: set[str] = set()
        self._counted: list[CountedEvent] = []
        self._new_counters = _NewCounters()
        self._is_due = False
        self._news = asyncio.Event()

    async def show(self, *, reselect: bool = False) -> None:
        """Show the account as it is now; return when it is shown.

        `reselect` where it may have changed who is shown.
        """
        self._is_due = True
        self._reselect |= reselect
        async with self._lock:
            if self._is_due:
                self._is_due = False
                await self._publish()

    async def run(self) -> Never:
        """Show what is noted, for ever: at once where nothing was shown lately, else together."""
        while True:
            wait_seconds = self._new_counters.wait_seconds(self._clock.monotonic())
            is_news = await self._clock.wait(self._news, wait_seconds)
            released = self._new_counters.release(now=self._clock.monotonic())
            self._changed |= released
            if not (is_news or released):
                continue
            began = self._clock.monotonic()
            await self.show()
            rest = RESTS_PER_PUBLICATION * (self._clock.monotonic() - began)
            await self._clock.sleep(min(max(rest, SHORTEST_REST_SECONDS), LONGEST_REST_SECONDS))

    def note(self, entry: Entry, *, reselect: bool = False) -> None:
        """Have `entry` shown by the next `show`, or by `run` where none is about to follow.

        `reselect` where it may have changed who is shown; then a `show` has to follow.
        """
        self._reselect |= reselect
        if not reselect:
            self._news.set()
        self._changed.update(entry.observed.users, entry.observed.renamed)
        if entry.saved is not None:
            self._changed.update(entry.saved.users)
            self._counted.extend(entry.saved.counted)
            self._new_counters.note(entry.saved)

    async def show_all(self) -> None:
        """Show the account with every counter at its value, new ones included."""
        await self.show()
        self._release(inf)
        await self.show()

    def _release(self, publication: float) -> None:
        released = self._new_counters.release(carried=publication)
        if released:
            self._changed |= released
            self._news.set()

    async def _publish(self) -> None:
        async with self._journal.moving:
            self._news.clear()
            new_counters = self._new_counters.unshown
            publication = self._new_counters.next_publication()
            counted, self._counted = self._counted, []
            up, is_fresh = self._state.up, self._state.has_fresh_data
            rows = await run_chunked(self._prepare(is_fresh=is_fresh), self._pause)
            snapshot = self._snapshot(rows, up=up, is_fresh=is_fresh)
        # Another publication may have shown this account before: nothing of it may stay.
        changed = self._untold if self._was_shown else None
        await self._exposition.publish(
            snapshot, changed=changed, on_carried=partial(self._release, publication)
        )
        self._new_counters.note_shown(
            new_counters, publication=publication, now=self._clock.monotonic()
        )
        self._was_shown = True
        self._untold = set()
        now = self._clock.time()
        delay = self._telemetry.detection_delay.labels(self._account)
        for one in counted:
            delay.observe(max(now - one.event.timestamp, 0.0))

    def _prepare(self, *, is_fresh: bool) -> Chunked[Mapping[str, UserRow]]:
        """The rows of those who changed and are shown; whoever changed is in `_untold` then."""
        self._untold |= self._changed
        self._changed = set()
        reselect, self._reselect = self._reselect, False  # at once: it may be wanted again
        if reselect:
            self._untold |= yield from self._select(self._untold, is_fresh=is_fresh)
            self._tell_withheld("min_level", self._selection.withheld_by_level)
            self._tell_withheld("limit", self._selection.withheld_by_limit)
        rows: dict[str, UserRow] = {}
        for some in in_chunks(self._untold):
            for user_id in self._selection.shown.intersection(some):
                row = self._row(user_id)
                if row is not None:
                    rows[user_id] = row
            yield
        return rows

    def _select(self, changed: Collection[str], *, is_fresh: bool) -> Chunked[set[str]]:
        """Choose who is shown; who is now and was not, or the reverse."""
        if not is_fresh:
            return self._selection.clear()
        return (yield from self._selection.update_in_steps(changed, now=self._clock.monotonic()))

    def _row(self, user_id: str) -> UserRow | None:
        record = self._journal.ledger.users[user_id]
        events = self._new_counters.as_shown(user_id, self._journal.events_of(user_id))
        return user_row(user_id, record, events, self._disclosure)

    def _tell_withheld(self, reason: str, count: int) -> None:
        self._telemetry.users_withheld.labels(self._account, reason).set(count)

    def _snapshot(
        self, rows: Mapping[str, UserRow], *, up: bool, is_fresh: bool
    ) -> AccountSnapshot:
        counters = self._journal.counters()
        return AccountSnapshot(
            account=self._account,
            account_id=self._journal.account_id,
            up=up,
            gauges=self._gauges() if is_fresh else None,
            users=rows,
            identity_shown=self._disclosure.identity is Identity.FULL,
            created=counters.created,
            events=counters.totals,
            level_changes=counters.level_changes,
            resets=counters.resets,
        )

    def _gauges(self) -> AccountGauges:
        by_level = self._journal.ledger.listed_by_level
        return AccountGauges(
            users_by_level={level: count for level, count in by_level.items() if count},
            behaviors=self._state.behaviors,
            integrations=self._state.integrations,
        )
