"""What of one account is to be exposed: the chosen users' rows, the gauges and the counters.

Gauges follow the last good observation, counters the last commit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from exporter.chunked import Chunked, Pause, in_chunks, run_chunked, was_full_chunk
from exporter.clock import Clock
from exporter.polling.resource import AccountState
from exporter.risk.ledger import Ledger
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


@dataclass(frozen=True, slots=True)
class Counters:
    """An account's counters as they may be exposed."""

    created: float
    resets: int
    totals: tuple[EventCount, ...]
    level_changes: Mapping[tuple[RiskLevel, RiskLevel], int]


class CommittedLedger(Protocol):
    """A ledger that knows its counters as of the last commit."""

    account_id: str
    ledger: Ledger

    def counters(self) -> Counters:
        """Return the account's counters as of the last commit."""
        ...

    def events_of(self, user_id: str) -> tuple[EventCount, ...]:
        """Return a user's counters as of the last commit."""
        ...


@dataclass(frozen=True, slots=True)
class Publication:
    """A consistent state of one account, as the difference from the previous publication.

    `rows` are those of the `changed` users who are exposed; the others of them are exposed no
    longer. `snapshot` is the rest of the account, without users. The receiver of a
    publication owns its set and dictionary.
    """

    snapshot: AccountSnapshot
    changed: set[str]
    rows: dict[str, UserRow]


class AccountView:
    """Builds the publications of one account. Only the task that writes the ledger may use it."""

    def __init__(
        self,
        *,
        account: str,
        durable: CommittedLedger,
        state: AccountState,
        disclosure: Disclosure,
        telemetry: Telemetry,
        clock: Clock,
        pause: Pause,
    ) -> None:
        self._account = account
        self._durable = durable
        self._state = state
        self._disclosure = disclosure
        self._telemetry = telemetry
        self._clock = clock
        self._pause = pause
        self._selection = Selection(durable.ledger, disclosure)
        self._is_first = True

    async def publication(self, changed: Collection[str], *, reselect: bool) -> Publication:
        """Return the account as it is now, after `changed` users changed.

        Set `reselect` if users may have come, gone or changed their level. The first publication
        contains every exposed user.
        """
        reselect = reselect or self._is_first
        self._is_first = False
        is_fresh = self._state.has_fresh_data
        changed = set(changed)
        rows = await run_chunked(
            self._rows(changed, reselect=reselect, is_fresh=is_fresh), self._pause
        )
        counters = self._durable.counters()
        snapshot = AccountSnapshot(
            account=self._account,
            account_id=self._durable.account_id,
            up=self._state.up,
            gauges=self._gauges() if is_fresh else None,
            identity_shown=self._disclosure.identity is Identity.FULL,
            created=counters.created,
            events=counters.totals,
            level_changes=counters.level_changes,
            resets=counters.resets,
        )
        return Publication(snapshot, changed, rows)

    def _rows(
        self, changed: set[str], *, reselect: bool, is_fresh: bool
    ) -> Chunked[dict[str, UserRow]]:
        """Return the rows of changed users; users who enter or leave the selection join them."""
        if reselect:
            changed |= yield from self._select(tuple(changed), is_fresh=is_fresh)
            self._set_withheld("min_level", self._selection.withheld_by_level)
            self._set_withheld("limit", self._selection.withheld_by_limit)
        rows: dict[str, UserRow] = {}
        for user_ids in in_chunks(changed):
            for user_id in self._selection.shown.intersection(user_ids):
                row = self._row(user_id)
                if row is not None:
                    rows[user_id] = row
            if was_full_chunk(user_ids):
                yield
        return rows

    def _select(self, changed: Collection[str], *, is_fresh: bool) -> Chunked[set[str]]:
        """Update the selection; return the users who entered or left the selection."""
        if not is_fresh:
            return self._selection.clear()
        return (yield from self._selection.update_in_steps(changed, now=self._clock.monotonic()))

    def _row(self, user_id: str) -> UserRow | None:
        record = self._durable.ledger.users[user_id]
        return user_row(user_id, record, self._durable.events_of(user_id), self._disclosure)

    def _set_withheld(self, reason: str, count: int) -> None:
        self._telemetry.users_withheld.labels(self._account, reason).set(count)

    def _gauges(self) -> AccountGauges:
        by_level = self._durable.ledger.listed_by_level
        return AccountGauges(
            users_by_level={level: count for level, count in by_level.items() if count},
            behaviors=self._state.behaviors,
            integrations=self._state.integrations,
        )
