"""Writes changes of a ledger as rows of a state file.

Emails and names of users have no columns. Exemplars and the number of stale details are not
stored either, because losing them at a restart does no harm.
"""

import sqlite3
from collections.abc import Mapping

from exporter.risk.ledger import AccountRecord, Changes, EventMark, UserRecord
from exporter.risk.model import EventCount
from exporter.store.schema import sql_text

LARGEST_INTEGER = 2**63 - 1
"""The largest integer of SQLite; a larger event count is stored as this number."""

_PUT_ACCOUNT = """
    INSERT INTO accounts (account_id, created, baseline_at, resets) VALUES (?, ?, ?, ?)
    ON CONFLICT (account_id) DO UPDATE SET
        created = excluded.created, baseline_at = excluded.baseline_at, resets = excluded.resets
    RETURNING id
"""
_PUT_USER = """
    INSERT INTO users (account, user_id, event_count, last_event, level,
                       counted_after, last_reset, details_at, due_since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (account, user_id) DO UPDATE SET
        event_count = excluded.event_count, last_event = excluded.last_event,
        level = excluded.level, counted_after = excluded.counted_after,
        last_reset = excluded.last_reset, details_at = excluded.details_at,
        due_since = excluded.due_since
    RETURNING id
"""
_PUT_USER_TOTAL = """
    INSERT INTO user_totals (user, position, behavior, level, count, created)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (user, position) DO UPDATE SET
        behavior = excluded.behavior, level = excluded.level,
        count = excluded.count, created = excluded.created
    WHERE (behavior, level, count, created)
        IS NOT (excluded.behavior, excluded.level, excluded.count, excluded.created)
"""
_PUT_MARK = """
    INSERT INTO marks (user, key, count, gone_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (user, key) DO UPDATE SET count = excluded.count, gone_at = excluded.gone_at
"""
_PUT_TOTAL = """
    INSERT INTO totals (account, behavior, level, count, created) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (account, behavior, level) DO UPDATE SET
        count = excluded.count, created = excluded.created
"""
_PUT_LEVEL_CHANGES = """
    INSERT INTO level_changes (account, from_level, to_level, count) VALUES (?, ?, ?, ?)
    ON CONFLICT (account, from_level, to_level) DO UPDATE SET count = excluded.count
"""
_PUT_NAME = """
    INSERT INTO names (account, name, behavior, identity) VALUES (?, ?, ?, ?)
    ON CONFLICT (account, name) DO UPDATE SET
        behavior = excluded.behavior, identity = excluded.identity
"""


def write_changes(
    cursor: sqlite3.Cursor, account_id: str, changes: Changes, *, created: float
) -> None:
    """Write all of `changes`; `created` is used if the account has no record yet."""
    account = _put_account(cursor, account_id, changes.account, created=created)
    cursor.executemany(
        _PUT_NAME,
        (
            (account, sql_text(name), _optional_text(record.behavior), sql_text(record.identity))
            for name, record in changes.names.items()
        ),
    )
    cursor.executemany(
        _PUT_TOTAL, ((account, *_total_columns(entry)) for entry in changes.totals.values())
    )
    cursor.executemany(
        _PUT_LEVEL_CHANGES,
        ((account, *pair, count) for pair, count in changes.level_changes.items()),
    )
    ids = _put_users(cursor, account, changes.users)
    for user_id in changes.marks.keys() - ids.keys():
        ids[user_id] = _id_of_user(cursor, account, user_id)
    _put_marks(cursor, ids, changes.marks)


def delete_marks(cursor: sqlite3.Cursor, account_id: str, *, gone_before: float) -> None:
    """Delete the account's marks of events that have been absent since before that instant."""
    cursor.execute(
        """
        DELETE FROM marks WHERE gone_at < ? AND EXISTS (
            SELECT 1 FROM users JOIN accounts ON accounts.id = users.account
            WHERE users.id = marks.user AND accounts.account_id = ?
        )
        """,
        (gone_before, sql_text(account_id)),
    )


def _put_account(
    cursor: sqlite3.Cursor, account_id: str, record: AccountRecord | None, *, created: float
) -> int:
    """Write the account's record, if there is one, and return its row id."""
    stored_id = sql_text(account_id)
    if record is not None:
        columns = (stored_id, record.created, record.baseline_at, record.resets)
        return _only_integer(cursor.execute(_PUT_ACCOUNT, columns))
    cursor.execute(
        "INSERT INTO accounts (account_id, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (stored_id, created),
    )
    return _only_integer(
        cursor.execute("SELECT id FROM accounts WHERE account_id = ?", (stored_id,))
    )


def _put_users(
    cursor: sqlite3.Cursor, account: int, users: Mapping[str, UserRecord]
) -> dict[str, int]:
    """Write the records of `users` and return their row ids."""
    ids = {
        user_id: _only_integer(cursor.execute(_PUT_USER, _user_columns(account, user_id, record)))
        for user_id, record in users.items()
    }
    cursor.executemany(
        "DELETE FROM user_totals WHERE user = ? AND position >= ?",
        ((ids[user_id], len(record.events)) for user_id, record in users.items()),
    )
    cursor.executemany(
        _PUT_USER_TOTAL,
        (
            (ids[user_id], position, *_total_columns(entry))
            for user_id, record in users.items()
            for position, entry in enumerate(record.events)
        ),
    )
    return ids


def _put_marks(
    cursor: sqlite3.Cursor,
    ids: Mapping[str, int],
    marks: Mapping[str, Mapping[bytes, EventMark | None]],
) -> None:
    cursor.executemany(
        "DELETE FROM marks WHERE user = ? AND key = ?",
        (
            (ids[user_id], key)
            for user_id, changed in marks.items()
            for key, mark in changed.items()
            if mark is None
        ),
    )
    cursor.executemany(
        _PUT_MARK,
        (
            (ids[user_id], key, mark.count, mark.gone_at)
            for user_id, changed in marks.items()
            for key, mark in changed.items()
            if mark is not None
        ),
    )


def _id_of_user(cursor: sqlite3.Cursor, account: int, user_id: str) -> int:
    """Return the row id of a user, adding a row if there is none."""
    columns = (account, sql_text(user_id))
    cursor.execute(
        "INSERT INTO users (account, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", columns
    )
    return _only_integer(
        cursor.execute("SELECT id FROM users WHERE account = ? AND user_id = ?", columns)
    )


def _only_integer(cursor: sqlite3.Cursor) -> int:
    (number,) = cursor.fetchone()
    assert isinstance(number, int)
    return number


def _user_columns(
    account: int, user_id: str, record: UserRecord
) -> tuple[int | float | str | bytes | None, ...]:
    summary = record.summary
    listed = (
        (None, None, None)
        if summary is None
        else (min(summary.event_count, LARGEST_INTEGER), summary.last_event, summary.level.value)
    )
    return (
        account,
        sql_text(user_id),
        *listed,
        record.counted_after,
        record.last_reset,
        record.details_at,
        record.due_since,
    )


def _total_columns(entry: EventCount) -> tuple[str | bytes, int, int, float]:
    return sql_text(entry.behavior), entry.level.value, entry.count, entry.created


def _optional_text(text: str | None) -> str | bytes | None:
    return None if text is None else sql_text(text)
