"""Reads ledgers from the rows of a state file."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator

from exporter.risk.ledger import (
    AccountRecord,
    Changes,
    EventMark,
    Ledger,
    NameRecord,
    UserRecord,
)
from exporter.risk.model import EventCount, RiskLevel, UserSummary
from exporter.store.schema import python_text, sql_text

_LEVELS = {level.value: level for level in RiskLevel}
"""Any other number is an unknown level: -1, written by older versions, or one of a newer version."""


def read_ledger(connection: sqlite3.Connection, account_id: str) -> Ledger | None:
    """Return the ledger of this account, or None if nothing was committed."""
    row = connection.execute(
        "SELECT id, created, baseline_at, resets FROM accounts WHERE account_id = ?",
        (sql_text(account_id),),
    ).fetchone()
    if row is None:
        return None
    account, created, baseline_at, resets = row
    ledger = Ledger(AccountRecord(created, baseline_at, resets))
    ledger.apply(
        Changes(
            users=dict(_read_users(connection, account)),
            totals=_read_totals(connection, account),
            level_changes=_read_level_changes(connection, account),
            names=dict(_read_names(connection, account)),
        )
    )
    return ledger


def read_marks(
    connection: sqlite3.Connection, account_id: str, user_id: str
) -> dict[bytes, EventMark]:
    """Return the marks of one user's events."""
    rows = connection.execute(
        """
        SELECT marks.key, marks.count, marks.gone_at
        FROM accounts JOIN users ON users.account = accounts.id JOIN marks ON marks.user = users.id
        WHERE accounts.account_id = ? AND users.user_id = ?
        """,
        (sql_text(account_id), sql_text(user_id)),
    )
    return {key: EventMark(count, gone_at) for key, count, gone_at in rows}


def _level(number: int) -> RiskLevel:
    return _LEVELS.get(number, RiskLevel.UNKNOWN)


def _by_pair(entries: Iterable[EventCount]) -> dict[tuple[str, RiskLevel], EventCount]:
    """Return one count for each behavior and level.

    A pair has several rows if several numbers are unknown levels. The largest count is returned,
    because the row of an older version stays in the file beside the row that continues it.
    """
    counts: dict[tuple[str, RiskLevel], EventCount] = {}
    for entry in entries:
        pair = (entry.behavior, entry.level)
        if pair not in counts or entry.count > counts[pair].count:
            counts[pair] = entry
    return counts


def _read_users(connection: sqlite3.Connection, account: int) -> Iterator[tuple[str, UserRecord]]:
    totals = _read_user_totals(connection, account)
    for row in connection.execute(
        """
        SELECT id, user_id, event_count, last_event, level,
               counted_after, last_reset, details_at, due_since
        FROM users WHERE account = ? ORDER BY id
        """,
        (account,),
    ):
        row_id, stored_id, event_count, last_event, level, *instants = row
        user_id = python_text(stored_id)
        counted_after, last_reset, details_at, due_since = instants
        yield (
            user_id,
            UserRecord(
                summary=None
                if level is None
                else UserSummary(user_id, "", "", event_count, last_event, _level(level)),
                counted_after=counted_after,
                last_reset=last_reset,
                details_at=details_at,
                due_since=due_since,
                events=tuple(_by_pair(totals.pop(row_id, ())).values()),
            ),
        )


def _read_user_totals(
    connection: sqlite3.Connection, account: int
) -> defaultdict[int, list[EventCount]]:
    """Return the counters of every user of the account, by the user's row id.

    The tables are read in storage order, which avoids sorting all rows.
    """
    totals: defaultdict[int, list[EventCount]] = defaultdict(list)
    behaviors: dict[str, str] = {}  # shares one text among all rows of a behavior
    for row_id, stored, level, count, created in connection.execute(
        """
        SELECT user, behavior, user_totals.level, count, created
        FROM users NOT INDEXED CROSS JOIN user_totals ON user_totals.user = users.id
        WHERE users.account = ? ORDER BY users.id, position
        """,
        (account,),
    ):
        behavior = python_text(stored)
        behavior = behaviors.setdefault(behavior, behavior)
        totals[row_id].append(EventCount(behavior, _level(level), count, created))
    return totals


def _read_totals(
    connection: sqlite3.Connection, account: int
) -> dict[tuple[str, RiskLevel], EventCount]:
    rows = connection.execute(
        "SELECT behavior, level, count, created FROM totals WHERE account = ? ORDER BY id",
        (account,),
    )
    return _by_pair(
        EventCount(python_text(stored), _level(number), count, created)
        for stored, number, count, created in rows
    )


def _read_level_changes(
    connection: sqlite3.Connection, account: int
) -> dict[tuple[RiskLevel, RiskLevel], int]:
    counts: dict[tuple[RiskLevel, RiskLevel], int] = {}
    for before, after, count in connection.execute(
        "SELECT from_level, to_level, count FROM level_changes WHERE account = ?", (account,)
    ):
        pair = (_level(before), _level(after))
        counts[pair] = max(counts.get(pair, 0), count)
    return counts


def _read_names(connection: sqlite3.Connection, account: int) -> Iterator[tuple[str, NameRecord]]:
    for name, behavior, identity in connection.execute(
        "SELECT name, behavior, identity FROM names WHERE account = ? ORDER BY id", (account,)
    ):
        yield (
            python_text(name),
            NameRecord(
                behavior=None if behavior is None else python_text(behavior),
                identity=python_text(identity),
            ),
        )
