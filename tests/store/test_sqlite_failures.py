"""Disks that are full or fail temporarily."""

import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exporter.errors import CommitError, StateError
from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger
from exporter.store import SqliteStore, open_sqlite
from exporter.store.opening import LOG_LIMIT_BYTES
from tests.support.states import ACCOUNT, changes_of_every_kind, contents, user_record

SMALL_DISK_BYTES = 512 * 1024


def _many_users(event_count: int, *, size: int = 4_000) -> Changes:
    """Return changes too large for the free space of a small disk."""
    users = {
        f"user {number}": user_record(f"user {number}", event_count=event_count)
        for number in range(size)
    }
    return Changes(account=AccountRecord(1.0, 2.0, event_count), users=users)


async def _on_sqlites_thread(store: SqliteStore, statement: str) -> None:
    """Run a statement over the store's own connection."""
    await store._worker.run(partial(_execute, store._connection, statement))


def _execute(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute(statement).fetchall()


async def _check_recovery(
    path: Path, *, break_disk: Callable[[], None], mend_disk: Callable[[], None]
) -> None:
    """Check that a commit fails while the disk is broken, changes nothing, and succeeds afterwards."""
    first, second = changes_of_every_kind(), _many_users(7)
    ledger = Ledger(AccountRecord(created=1.0))
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, first)
        ledger.apply(first)

        break_disk()
        try:
            for _ in range(3):
                with pytest.raises(CommitError):
                    await store.commit(ACCOUNT, second)
            assert contents(await store.load(ACCOUNT, now=1.0)) == contents(ledger, as_kept=True)
        finally:
            mend_disk()

        await store.commit(ACCOUNT, second)
        ledger.apply(second)
        assert contents(await store.load(ACCOUNT, now=1.0)) == contents(ledger, as_kept=True)
    async with open_sqlite(path) as store:
        assert contents(await store.load(ACCOUNT, now=1.0)) == contents(ledger, as_kept=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of half a megabyte in memory, if this machine permits it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={SMALL_DISK_BYTES},mode=0700"
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    except subprocess.CalledProcessError:
        pytest.skip("mounting a disk of half a megabyte needs root")
    yield folder
    # Lazily: whoever still looks at it must not make the test one that was skipped.
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_after_a_full_disk_nothing_is_lost(small_disk: Path) -> None:
    """The failed changes are rolled back, and succeed once there is room."""

    def remount(size: int) -> None:
        options = f"remount,size={size}"
        subprocess.run(["mount", "-o", options, small_disk], check=True)

    await _check_recovery(
        small_disk / "state.db",
        break_disk=lambda: None,
        mend_disk=partial(remount, 64 * SMALL_DISK_BYTES),
    )


async def test_after_write_errors_nothing_is_lost(tmp_path: Path) -> None:
    """With a limit on file sizes the kernel rejects writes, as a failing disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        await _check_recovery(
            tmp_path / "state.db",
            break_disk=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (200_000, hard)),
            mend_disk=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard)),
        )
    finally:
        signal.signal(signal.SIGXFSZ, before)


async def test_a_full_disk_is_named_in_the_error(tmp_path: Path) -> None:
    """The warning in the log says what to do."""
    async with open_sqlite(tmp_path / "state.db") as store:
        await store.load(ACCOUNT, now=1.0)
        await _on_sqlites_thread(store, "PRAGMA max_page_count = 30")

        with pytest.raises(CommitError, match=r"state\.db: .*disk is full"):
            await store.commit(ACCOUNT, _many_users(7))


async def test_a_failure_to_delete_marks_is_a_commit_error(tmp_path: Path) -> None:
    """Deleting writes to the file, too."""
    async with open_sqlite(tmp_path / "state.db") as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, Changes(marks={"ann": {b"k": EventMark(1, gone_at=5.0)}}))
        await _on_sqlites_thread(store, "PRAGMA query_only = ON")

        with pytest.raises(CommitError):
            await store.forget_marks(ACCOUNT, gone_before=9.0)


async def test_a_pseudonym_key_that_cannot_be_stored_is_not_returned(tmp_path: Path) -> None:
    """Labels made with it would change at a restart."""
    async with open_sqlite(tmp_path / "state.db") as store:
        await _on_sqlites_thread(store, "PRAGMA query_only = ON")

        with pytest.raises(StateError):
            await store.pseudonym_key()


async def test_a_failure_to_read_is_reported(tmp_path: Path) -> None:
    """A disk may fail long after the check at the start."""
    async with open_sqlite(tmp_path / "state.db") as store:
        await store.load(ACCOUNT, now=1.0)
        await _on_sqlites_thread(store, "ALTER TABLE marks RENAME TO elsewhere")

        with pytest.raises(StateError, match="cannot be read"):
            await store.load_marks(ACCOUNT, "ann")


@pytest.mark.parametrize("replacement", [None, b""], ids=["deleted", "replaced"])
async def test_a_file_moved_away_takes_no_commits(
    tmp_path: Path, replacement: bytes | None
) -> None:
    """SQLite would go on writing to the moved file, which no process opens again."""
    path = tmp_path / "state.db"
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        _move(path, tmp_path / "elsewhere.db", replacement)
        with pytest.raises(CommitError):
            await store.commit(ACCOUNT, changes_of_every_kind())

        _move(tmp_path / "elsewhere.db", path, None)
        await store.commit(ACCOUNT, changes_of_every_kind())


def _move(source: Path, target: Path, replacement: bytes | None) -> None:
    source.rename(target)
    if replacement is not None:
        source.write_bytes(replacement)


async def test_a_commit_blocked_by_another_program_fails_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction left open elsewhere must not stop the exporter."""
    monkeypatch.setattr("exporter.store.opening.BUSY_SECONDS", 0.1)
    path = tmp_path / "state.db"
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        shell = sqlite3.connect(path, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitError, match="locked"):
            await store.commit(ACCOUNT, changes_of_every_kind())
        shell.close()

        await store.commit(ACCOUNT, changes_of_every_kind())


def _size(path: Path) -> int:
    return path.stat().st_size


async def test_the_size_is_that_of_the_file_and_its_log(tmp_path: Path) -> None:
    """It is what `du` shows; a growing log is the first sign of a reader that never ends."""
    path = tmp_path / "state.db"
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, _many_users(7))

        files = [_size(one) for one in (path, tmp_path / "state.db-wal")]
        assert store.size_bytes() == sum(files)
        assert files[1] > 0


@pytest.mark.slow
async def test_a_large_log_is_moved_into_the_file(tmp_path: Path) -> None:
    """Its size depends on the largest commit, not on the uptime."""
    path = tmp_path / "state.db"
    lengths = []
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        for number in range(12):
            await store.commit(ACCOUNT, _many_users(number, size=8_000))
            lengths.append(_size(tmp_path / "state.db-wal"))
        await store.load(ACCOUNT, now=1.0)  # after what the last commit left to be done
        await store.commit(ACCOUNT, changes_of_every_kind())

        assert max(lengths) <= LOG_LIMIT_BYTES + lengths[0]
        assert _size(tmp_path / "state.db-wal") <= LOG_LIMIT_BYTES


@pytest.mark.slow
async def test_a_reader_that_blocks_checkpoints_does_not_block_commits(
    tmp_path: Path,
) -> None:
    """A slow backup only makes the log grow."""
    path = tmp_path / "state.db"
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, _many_users(0))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM accounts").fetchall()
            for number in range(1, 12):
                await store.commit(ACCOUNT, _many_users(number, size=8_000))
            assert _size(tmp_path / "state.db-wal") > LOG_LIMIT_BYTES + 2**20

        await store.commit(ACCOUNT, _many_users(12))
        assert (await store.load(ACCOUNT, now=1.0)).account.resets == 12
