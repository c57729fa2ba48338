"""A state file in use: what SQLite does for one thread, as the store's methods need it."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from exporter.errors import CommitError, StateError
from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger
from exporter.store.opening import LOG_LIMIT_BYTES, open_database
from exporter.store.reading import read_ledger, read_marks
from exporter.store.schema import transaction
from exporter.store.writing import delete_marks, write_changes

_KEY_BYTES = 32


class StateFile:
    """Blocks, and belongs to the thread that opened it; `size_bytes` alone may be read by any.

    It is what the file and its write-ahead log took after the last load or commit.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.size_bytes = 0
        self._path = path
        self._connection = connection
        self._identity = _identity(path)
        self._created: dict[str, float] = {}
        self._measure()

    @classmethod
    def open(cls, path: Path, resources: ExitStack) -> Self:
        """Open or create the file; `resources` closes it. Raises StateError."""
        path = Path(os.path.realpath(path))  # `Path.resolve` fails where links go in circles
        return cls(path, open_database(path, resources))

    def load(self, account_id: str, *, now: float) -> Ledger:
        """What was committed; see `Store.load`."""
        with self._reading():
            ledger = read_ledger(self._connection, account_id)
        self._measure()
        ledger = ledger or Ledger(AccountRecord(created=now))
        self._created[account_id] = ledger.account.created
        return ledger

    def load_marks(self, account_id: str, user_id: str) -> dict[bytes, EventMark]:
        """What was committed; see `Store.load_marks`."""
        with self._reading():
            return read_marks(self._connection, account_id, user_id)

    def commit(self, account_id: str, changes: Changes) -> None:
        """One transaction; see `Store.commit`. The account was loaded before."""
        with self._writing() as cursor:
            write_changes(cursor, account_id, changes, created=self._created[account_id])

    def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """One transaction; see `Store.forget_marks`."""
        with self._writing() as cursor:
            delete_marks(cursor, account_id, gone_before=gone_before)

    def fold_log(self) -> None:
        """Move what the write-ahead log holds into the file, where that has grown worth it.

        Half as much work as a large commit, so nobody should wait for it. Where it fails, the
        log serves as well, and grows until a later time succeeds.
        """
        if self._log_bytes() <= LOG_LIMIT_BYTES:
            return
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._measure()

    def pseudonym_key(self) -> bytes:
        """The key, drawn when it is asked for the first time; see `Store.pseudonym_key`."""
        with self._reading(), transaction(self._connection) as cursor:
            cursor.execute(
                "INSERT INTO pseudonym_key (id, key) VALUES (1, ?) ON CONFLICT DO NOTHING",
                (secrets.token_bytes(_KEY_BYTES),),
            )
            (key,) = cursor.execute("SELECT key FROM pseudonym_key").fetchone()
        if not isinstance(key, bytes) or len(key) != _KEY_BYTES:
            raise StateError(f"{self._path}: its key of pseudonyms is damaged; restore a backup")
        return key

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path}: cannot be read (SQLite: {error}); look at its disk, restore it "
                "from a backup, or move it away to begin again at zero"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        try:
            self._refuse_if_moved()
            with transaction(self._connection) as cursor:
                yield cursor
        except (sqlite3.Error, OSError) as error:
            raise CommitError(f"{self._path}: not written: {error}") from error
        self._measure()

    def _refuse_if_moved(self) -> None:
        """A file deleted under us would take every commit, and lose them all with the process."""
        if _identity(self._path) != self._identity:
            raise CommitError(f"{self._path}: replaced by another file; start the exporter again")

    def _measure(self) -> None:
        self.size_bytes = _size(self._path) + self._log_bytes()

    def _log_bytes(self) -> int:
        return _size(self._path.with_name(self._path.name + "-wal"))


def _size(path: Path) -> int:
    """In bytes; none where there is no such file."""
    return path.stat().st_size if path.exists() else 0


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
