"""State in one SQLite file: each commit is one transaction, on disk before it returns."""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.errors import CommitError, StateError
from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger
from exporter.store.opening import LOG_LIMIT_BYTES, open_database
from exporter.store.reading import read_ledger, read_marks
from exporter.store.schema import transaction
from exporter.store.writing import delete_marks, write_changes

T = TypeVar("T")

_KEY_BYTES = 32


class SqliteStore:
    """A store in a file that other programs can read and back up while it is in use.

    Operations run one after the other on the store's own thread. Cancelling a task that awaits a
    commit does not cancel the commit; the caller treats the cancellation as a CommitError and
    commits the same changes again.

    Load an account before committing to it.
    """

    def __init__(self, worker: "Worker", path: Path, connection: sqlite3.Connection) -> None:
        self._worker = worker
        self._path = path
        self._connection = connection
        self._file_id = _file_id(path)
        self._created: dict[str, float] = {}
        self._size_bytes = 0
        self._measure()

    async def load(self, account_id: str, *, now: float) -> Ledger:
        """Return what was committed for this account, without exemplars, emails and names."""

        def load() -> Ledger:
            with self._read_errors():
                ledger = read_ledger(self._connection, account_id)
            self._measure()
            ledger = ledger or Ledger(AccountRecord(created=now))
            self._created[account_id] = ledger.account.created
            return ledger

        return await self._worker.run(load)

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """Return the event marks committed for one user."""

        def load() -> Mapping[bytes, EventMark]:
            with self._read_errors():
                return read_marks(self._connection, account_id, user_id)

        return await self._worker.run(load)

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Write `changes` in one transaction and wait until they are on disk."""

        def commit() -> None:
            with self._transaction() as cursor:
                write_changes(cursor, account_id, changes, created=self._created[account_id])

        await self._worker.run(commit)
        self._worker.submit(self._checkpoint)

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Delete the marks of events that have been absent since before that instant."""

        def delete() -> None:
            with self._transaction() as cursor:
                delete_marks(cursor, account_id, gone_before=gone_before)

        await self._worker.run(delete)

    async def pseudonym_key(self) -> bytes:
        """Return 32 random bytes kept in the file; the first call generates them."""

        def load_or_generate() -> object:
            with self._read_errors(), transaction(self._connection) as cursor:
                cursor.execute(
                    "INSERT INTO pseudonym_key (id, key) VALUES (1, ?) ON CONFLICT DO NOTHING",
                    (secrets.token_bytes(_KEY_BYTES),),
                )
                (key,) = cursor.execute("SELECT key FROM pseudonym_key").fetchone()
            return key

        key = await self._worker.run(load_or_generate)
        if not isinstance(key, bytes) or len(key) != _KEY_BYTES:
            raise StateError(f"{self._path}: the pseudonym key is damaged; restore a backup")
        return key

    def size_bytes(self) -> int:
        """Return the size of the file and its write-ahead log after the last load or commit."""
        return self._size_bytes

    async def close(self) -> None:
        """Finish a commit in flight and close the file. Closing twice does no harm."""
        await self._worker.close()

    # The methods below run on the worker's thread.

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file once it exceeds `LOG_LIMIT_BYTES`.

        This takes half as long as a large commit, so no task awaits it. After a failure the log
        stays valid and grows until a later checkpoint succeeds.
        """
        if self._log_bytes() <= LOG_LIMIT_BYTES:
            return
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._measure()

    @contextmanager
    def _read_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path}: cannot be read (SQLite: {error}); check its disk, restore it "
                "from a backup, or move it away to start again at zero"
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        try:
            self._check_file_id()
            with transaction(self._connection) as cursor:
                yield cursor
        except (sqlite3.Error, OSError) as error:
            raise CommitError(f"{self._path}: not written: {error}") from error
        self._measure()

    def _check_file_id(self) -> None:
        """Raise CommitError if the file was replaced.

        SQLite would go on writing to a deleted file, which is lost when the process ends.
        """
        if _file_id(self._path) != self._file_id:
            raise CommitError(f"{self._path}: replaced by another file; restart the exporter")

    def _measure(self) -> None:
        self._size_bytes = _size(self._path) + self._log_bytes()

    def _log_bytes(self) -> int:
        return _size(self._path.with_name(self._path.name + "-wal"))


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    """Open the state file at `path`, locked by this process while the context is entered.

    A missing file is created, with its folders. Raises StateError, which says what to do, if the
    file is not a state file, newer than this exporter, damaged, in use, or cannot be read and
    written; the file then stays unchanged.
    """
    worker = Worker("state")
    try:
        yield await worker.run(partial(_open, path, worker))
    finally:
        await worker.close()


def _open(path: Path, worker: "Worker") -> SqliteStore:
    path = Path(os.path.realpath(path))  # `Path.resolve` raises where links form a loop
    return SqliteStore(worker, path, open_database(path, worker.resources))


def _size(path: Path) -> int:
    """Return the size in bytes; 0 if there is no such file."""
    return path.stat().st_size if path.exists() else 0


def _file_id(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


class Worker:
    """A thread that runs blocking calls in the order of submission.

    The event loop's default executor is not used, because a slow disk would block its other
    users. Cancelling a task that awaits a call does not cancel the call, and a process that ends
    without `close` still finishes the submitted calls.

    `resources` holds what the calls leave open; only calls may use it.
    """

    def __init__(self, name: str) -> None:
        self.resources = ExitStack()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._is_closed = False

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` after all submitted calls, and return its result or raise its error.

        Raises RuntimeError once closed.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        future.add_done_callback(_retrieve_error)
        await asyncio.wait((future,))  # `await future` would pass a cancellation on to the call
        return future.result()

    def submit(self, call: Callable[[], None]) -> None:
        """Run `call` after all submitted calls, without waiting for it. Ignored once closed."""
        if not self._is_closed:
            self._executor.submit(call)

    async def close(self) -> None:
        """Close the resources after all submitted calls, and end the thread.

        Closing twice does no harm.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self.run(self.resources.close)
        finally:
            self._executor.shutdown(wait=False)  # submitted calls still run


def _retrieve_error(future: asyncio.Future[T]) -> None:
    """Retrieve the error, or asyncio logs it as never retrieved if no task awaits the future."""
    if not future.cancelled():
        future.exception()
