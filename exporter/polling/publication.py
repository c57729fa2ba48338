"""What of one account is shown, and the moment it is: the only way to the exposition.

Gauges follow the last good observation, counters the last commit. Publishing is done by one
task at a time; what others want shown meanwhile goes out together in the next turn.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Never

from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.polling.journal import Entry, Journal
from exporter.polling.standing import Standing
from exporter.risk.ledger import CountedEvent
from exporter.risk.model import (
    AccountGauges,
    AccountSnapshot,
    UserRow,
)
from exporter.risk.projection import Disclosure, Identity, user_row
from exporter.risk.selection import Selection
from exporter.steps import Pause, Steps, in_slices, with_rests
from exporter.telemetry import Telemetry

RESTS_PER_PUBLICATION = 4.0
"""How many times as long as a publication took is rested after it. A publication has a price of
its own, however few users changed: with this rest it never takes more than a fifth of the time."""

SHORTEST_REST_SECONDS = 0.1
LONGEST_REST_SECONDS = 1.0


class Publication:
    """One account's place in the exposition."""

    def __init__(
        self,
        *,
        account: str,
        journal: Journal,
        standing: Standing,
        disclosure: Disclosure,
        exposition: Exposition,
        telemetry: Telemetry,
        clock: Clock,
        pause: Pause,
    ) -> None:
        self._account = account
        self._journal = journal
        self._standing = standing
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
            await self._news.wait()
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

    async def _publish(self) -> None:
        async with self._journal.moving:
            self._news.clear()
            counted, self._counted = self._counted, []
            up, is_fresh = self._standing.up, self._standing.has_fresh_data
            rows = await with_rests(self._prepare(is_fresh=is_fresh), self._pause)
            snapshot = self._snapshot(rows, up=up, is_fresh=is_fresh)
        # Another publication may have shown this account before: nothing of it may stay.
        changed = self._untold if self._was_shown else None
        await self._exposition.publish(snapshot, changed=changed)
        self._was_shown = True
        self._untold = set()
        now = self._clock.time()
        delay = self._telemetry.detection_delay.labels(self._account)
        for one in counted:
            delay.observe(max(now - one.event.timestamp, 0.0))

    def _prepare(self, *, is_fresh: bool) -> Steps[Mapping[str, UserRow]]:
        """The rows of those who changed and are shown; whoever changed is in `_untold` then."""
        self._untold |= self._changed
        self._changed = set()
        reselect, self._reselect = self._reselect, False  # at once: it may be wanted again
        if reselect:
            self._untold |= yield from self._select(self._untold, is_fresh=is_fresh)
            self._tell_withheld("min_level", self._selection.withheld_by_level)
            self._tell_withheld("limit", self._selection.withheld_by_limit)
        rows: dict[str, UserRow] = {}
        for some in in_slices(self._untold):
            for user_id in self._selection.shown.intersection(some):
                row = self._row(user_id)
                if row is not None:
                    rows[user_id] = row
            yield
        return rows

    def _select(self, changed: Collection[str], *, is_fresh: bool) -> Steps[set[str]]:
        """Choose who is shown; who is now and was not, or the reverse."""
        if not is_fresh:
            return self._selection.clear()
        return (yield from self._selection.update_in_steps(changed, now=self._clock.monotonic()))

    def _row(self, user_id: str) -> UserRow | None:
        record = self._journal.ledger.users[user_id]
        return user_row(user_id, record, self._journal.events_of(user_id), self._disclosure)

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
            behaviors=self._standing.behaviors,
            integrations=self._standing.integrations,
        )
