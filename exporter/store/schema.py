"""The tables of a state file and their migrations.

Texts from the API are in columns of type ANY; see `sql_text`.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

APPLICATION_ID = 0x43465A52
"""Identifies a state file ("CFZR") in the header field that SQLite reserves for this."""

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE accounts (
            id INTEGER PRIMARY KEY,
            account_id ANY NOT NULL UNIQUE,
            created REAL NOT NULL,
            baseline_at REAL,
            resets INTEGER NOT NULL DEFAULT 0
        ) STRICT
        """,
        # `level` and the two columns before it are NULL if the user is not listed.
        """
        CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            account INTEGER NOT NULL REFERENCES accounts,
            user_id ANY NOT NULL,
            event_count INTEGER,
            last_event REAL,
            level INTEGER,
            counted_after REAL,
            last_reset REAL,
            details_at REAL,
            due_since REAL,
            UNIQUE (account, user_id)
        ) STRICT
        """,
        """
        CREATE TABLE user_totals (
            user INTEGER NOT NULL REFERENCES users,
            position INTEGER NOT NULL,
            behavior ANY NOT NULL,
            level INTEGER NOT NULL,
            count INTEGER NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (user, position)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE marks (
            user INTEGER NOT NULL REFERENCES users,
            key BLOB NOT NULL,
            count INTEGER NOT NULL,
            gone_at REAL,
            PRIMARY KEY (user, key)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX marks_gone ON marks (gone_at) WHERE gone_at IS NOT NULL",
        """
        CREATE TABLE totals (
            id INTEGER PRIMARY KEY,
            account INTEGER NOT NULL REFERENCES accounts,
            behavior ANY NOT NULL,
            level INTEGER NOT NULL,
            count INTEGER NOT NULL,
            created REAL NOT NULL,
            UNIQUE (account, behavior, level)
        ) STRICT
        """,
        """
        CREATE TABLE level_changes (
            account INTEGER NOT NULL REFERENCES accounts,
            from_level INTEGER NOT NULL,
            to_level INTEGER NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (account, from_level, to_level)
        ) STRICT, WITHOUT ROWID
        """,
        # Ordered by id: the first known name of a behavior determines its identity.
        """
        CREATE TABLE names (
            id INTEGER PRIMARY KEY,
            account INTEGER NOT NULL REFERENCES accounts,
            name ANY NOT NULL,
            behavior ANY,
            identity ANY NOT NULL,
            UNIQUE (account, name)
        ) STRICT
        """,
        """
        CREATE TABLE pseudonym_key (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            key BLOB NOT NULL
        ) STRICT
        """,
    ),
)
"""Migration n leads from version n to version n + 1; version 0 is an empty file.

A released migration is never changed; a new version is a new migration.
"""

VERSION = len(MIGRATIONS)
"""The version of the schema that this program reads and writes."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """Yield a cursor whose writes are committed together, or rolled back on an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection.cursor()
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back already, as on a full disk
            connection.execute("ROLLBACK")
        raise


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Apply the missing `migrations` in one transaction.

    Raises sqlite3.Error and leaves the file at its version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= len(migrations):
        return
    with transaction(connection) as cursor:
        for migration in migrations[version:]:
            for statement in migration:
                cursor.execute(statement)
        cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        cursor.execute(f"PRAGMA user_version = {len(migrations)}")


_AROUND_PUNCTUATION = re.compile(r" ?([(),=]) ?")

SchemaRow = tuple[str, ...]
"""The kind, name, table and definition of a table, index, view or trigger."""


def read_schema(connection: sqlite3.Connection) -> frozenset[SchemaRow]:
    """Return the schema of the file, with white space in definitions normalized."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    return frozenset(tuple(_normalized(str(part)) for part in row) for row in rows)


def _normalized(definition: str) -> str:
    return _AROUND_PUNCTUATION.sub(r"\1", " ".join(definition.split()))


def expected_schema(version: int) -> frozenset[SchemaRow]:
    """Return the schema of a state file of that version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS[:version])
        return read_schema(connection)


def sql_text(text: str) -> str | bytes:
    """Return the text, or its bytes if it holds surrogates, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def python_text(stored: object) -> str:
    """Return the text that `sql_text` was called with.

    Raises sqlite3.DataError for a value that `sql_text` cannot return.
    """
    if isinstance(stored, str):
        return stored
    try:
        if isinstance(stored, bytes):
            return stored.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        pass
    raise sqlite3.DataError("a text column holds a value that is not text")
