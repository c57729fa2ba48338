"""Migrations of a state file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.store import open_sqlite
from exporter.store.schema import MIGRATIONS, VERSION, migrate, transaction
from tests.support.states import ACCOUNT, changes_of_every_kind, contents

NEXT = ("ALTER TABLE accounts ADD COLUMN note TEXT", "UPDATE accounts SET note = 'kept'")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty database."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as opened:
        yield opened


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert isinstance(version, int)
    return version


def test_an_empty_file_is_migrated_to_the_current_version(connection: sqlite3.Connection) -> None:
    """Creation is a migration, too."""
    migrate(connection)

    assert _version(connection) == VERSION == len(MIGRATIONS)


def test_a_file_of_the_current_version_is_not_written(connection: sqlite3.Connection) -> None:
    """An ordinary start writes nothing."""
    migrate(connection)
    before = connection.total_changes

    migrate(connection)

    assert connection.total_changes == before


def test_an_older_file_keeps_its_data_through_a_migration(connection: sqlite3.Connection) -> None:
    """An upgrade loses nothing."""
    migrate(connection)
    connection.execute("INSERT INTO accounts (account_id, created) VALUES ('acme', 1.0)")

    migrate(connection, (*MIGRATIONS, NEXT))

    assert _version(connection) == VERSION + 1
    rows = connection.execute("SELECT account_id, note FROM accounts").fetchall()
    assert rows == [("acme", "kept")]


def test_a_failed_migration_leaves_the_file_at_its_version(connection: sqlite3.Connection) -> None:
    """The older program can still open the file."""
    migrate(connection)

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, (*NEXT, "INSERT INTO nowhere VALUES (1)")))

    assert _version(connection) == VERSION
    columns = [row[1] for row in connection.execute("PRAGMA table_info(accounts)")]
    assert "note" not in columns


def test_an_aborted_transaction_leaves_the_connection_usable(
    connection: sqlite3.Connection,
) -> None:
    """The next transaction starts as usual, whatever the exception."""
    migrate(connection)
    with pytest.raises(KeyboardInterrupt):
        _insert_and_abort(connection)

    with transaction(connection) as cursor:
        found = cursor.execute("SELECT count(*) FROM accounts").fetchone()
    assert found == (0,)


def _insert_and_abort(connection: sqlite3.Connection) -> None:
    with transaction(connection) as cursor:
        cursor.execute("INSERT INTO accounts (account_id, created) VALUES ('acme', 1.0)")
        raise KeyboardInterrupt


async def test_a_file_written_by_version_1_is_read(tmp_path: Path) -> None:
    """Released migrations stay as they are; this is the file that the first one created."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(VERSION_1)

    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, changes_of_every_kind())
        ledger = await store.load(ACCOUNT, now=1.0)

    assert contents(ledger)["account"] == changes_of_every_kind().account


VERSION_1 = """
    PRAGMA application_id = 1128684114;
    PRAGMA user_version = 1;
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY, account_id ANY NOT NULL UNIQUE, created REAL NOT NULL,
        baseline_at REAL, resets INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE users (
        id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts,
        user_id ANY NOT NULL, event_count INTEGER, last_event REAL, level INTEGER,
        counted_after REAL, last_reset REAL, details_at REAL, due_since REAL,
        UNIQUE (account, user_id)) STRICT;
    CREATE TABLE user_totals (
        user INTEGER NOT NULL REFERENCES users, position INTEGER NOT NULL,
        behavior ANY NOT NULL, level INTEGER NOT NULL, count INTEGER NOT NULL,
        created REAL NOT NULL, PRIMARY KEY (user, position)) STRICT, WITHOUT ROWID;
    CREATE TABLE marks (
        user INTEGER NOT NULL REFERENCES users, key BLOB NOT NULL, count INTEGER NOT NULL,
        gone_at REAL, PRIMARY KEY (user, key)) STRICT, WITHOUT ROWID;
    CREATE INDEX marks_gone ON marks (gone_at) WHERE gone_at IS NOT NULL;
    CREATE TABLE totals (
        id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts,
        behavior ANY NOT NULL, level INTEGER NOT NULL, count INTEGER NOT NULL,
        created REAL NOT NULL, UNIQUE (account, behavior, level)) STRICT;
    CREATE TABLE level_changes (
        account INTEGER NOT NULL REFERENCES accounts, from_level INTEGER NOT NULL,
        to_level INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (account, from_level, to_level)) STRICT, WITHOUT ROWID;
    CREATE TABLE names (
        id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts,
        name ANY NOT NULL, behavior ANY, identity ANY NOT NULL,
        UNIQUE (account, name)) STRICT;
    CREATE TABLE pseudonym_key (
        id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL) STRICT;
    INSERT INTO accounts (account_id, created) VALUES ('023e105f4ecef8ad9ca31a8372d0c353', 4.0);
"""
