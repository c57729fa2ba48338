"""State in one SQLite file: every commit is one transaction, on the disk before it returns."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from exporter.risk.ledger import Changes, EventMark, Ledger
from exporter.store.state_file import StateFile
from exporter.store.worker import Worker


class SqliteStore:
    """A store whose file can be read and backed up by others while it is in use.

    What was asked for is done one after the other, on a thread of the store's own. A task that
    is cancelled while it awaits a commit is not told how the commit ends, but end it does: one
    that goes on after this does as after a CommitError, and commits the same changes again.

    An account is loaded before it is committed to.
    """

    def __init__(self, worker: Worker, file: StateFile) -> None:
        self._worker = worker
        self._file = file

    async def load(self, account_id: str, *, now: float) -> Ledger:
        """All that was committed for this account, save exemplars, emails and names."""
        return await self._worker.run(partial(self._file.load, account_id, now=now))

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """The event marks committed for one user."""
        return await self._worker.run(partial(self._file.load_marks, account_id, user_id))

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Write `changes` in one transaction and wait until the disk has it."""
        await self._worker.run(partial(self._file.commit, account_id, changes))
        self._worker.add(self._file.fold_log)

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant."""
        await self._worker.run(
            partial(self._file.forget_marks, account_id, gone_before=gone_before)
        )

    async def pseudonym_key(self) -> bytes:
        """Thirty-two random bytes kept in the file. Raises StateError."""
        return await self._worker.run(self._file.pseudonym_key)

    def size_bytes(self) -> int:
        """What the file and its write-ahead log took after the last load or commit."""
        return self._file.size_bytes

    async def close(self) -> None:
        """Let a commit in flight finish and give up the file. Closing twice does no harm."""
        await self._worker.close()


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    """The state file at `path`, held by this process alone for as long as the context lives.

    A missing file is created, with its folders. Raises StateError, which says what to do, where
    the file is not ours, newer, damaged, in use, or cannot be read and written; it is then left
    as it was.
    """
    worker = Worker("state")
    try:
        file = await worker.run(partial(StateFile.open, path, worker.resources))
        yield SqliteStore(worker, file)
    finally:
        await worker.close()
