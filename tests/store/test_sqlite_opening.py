"""Files that are opened and files that are rejected, which stay unchanged."""

import os
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.risk.ledger import Changes
from exporter.store import open_sqlite
from exporter.store.schema import APPLICATION_ID, VERSION, migrate
from tests.support.states import ACCOUNT, changes_of_every_kind, user_record

NOBODY = 65_534

HOLDER = """
import asyncio, sys
from pathlib import Path
from exporter.store import open_sqlite
from tests.support.states import ACCOUNT, changes_of_every_kind

async def hold():
    async with open_sqlite(Path(sys.argv[1])) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, changes_of_every_kind())
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


async def _create(path: Path, *, users: int = 1) -> None:
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, changes_of_every_kind())
        await store.commit(
            ACCOUNT, Changes(users={str(n): user_record(str(n)) for n in range(users)})
        )


async def _rejection(path: Path) -> str:
    """Return the error for `path`, after checking that nothing in its folder changed.

    The lock file may have changed, and the index of the log, which holds no data.
    """
    before = _files(path.parent)
    with pytest.raises(StateError) as refusal:
        async with open_sqlite(path):
            pass
    after = _files(path.parent)
    for name in (f"{path.name}.lock", f"{path.name}-shm"):
        assert after.pop(name, None) is None or before.pop(name, None) is not None
    assert after == before
    return str(refusal.value)


def _files(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return content, mode and modification time of every file in the folder, which may be missing."""
    if not folder.is_dir():
        return {}
    found = {}
    for one in folder.iterdir():
        status = one.stat()
        data = one.read_bytes() if one.is_file() else b""
        found[one.name] = (data, status.st_mode, status.st_mtime_ns)
    return found


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Become an unprivileged user if the tests run as root, who has all permissions."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can read; those of pytest are readable by their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the state at `state.db` and has committed to it."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


# Opened -------------------------------------------------------------------------------------


async def test_a_missing_file_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    """It lists users at risk: folders have mode 0700 and files 0600, whatever the umask."""
    path = tmp_path / "a" / "b" / "state.db"
    previous = os.umask(0)
    try:
        async with open_sqlite(path) as store:
            await store.load(ACCOUNT, now=1.0)
            await store.commit(ACCOUNT, changes_of_every_kind())
            modes = _modes(path.parent)
    finally:
        os.umask(previous)

    assert modes == {
        "state.db": 0o600,
        "state.db-shm": 0o600,
        "state.db-wal": 0o600,
        "state.db.lock": 0o600,
    }
    assert {_mode(tmp_path / "a"), _mode(tmp_path / "a" / "b")} == {0o700}


async def test_a_readable_file_becomes_private(tmp_path: Path) -> None:
    """`touch` and restored backups leave such files, possibly with a log beside them."""
    path = tmp_path / "state.db"
    await _create(path)
    _change_and_crash(path, "UPDATE accounts SET resets = 99")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (tmp_path / name).chmod(0o644)

    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        modes = _modes(tmp_path)

    assert set(modes.values()) == {0o600}
    assert len(modes) == 4


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _modes(folder: Path) -> dict[str, int]:
    return {one.name: _mode(one) for one in folder.iterdir()}


async def test_an_empty_file_is_created_like_a_missing_one(tmp_path: Path) -> None:
    """Packages and operators use `touch` to give a file an owner."""
    path = tmp_path / "state.db"
    path.touch()

    await _create(path)

    assert path.stat().st_size > 0


async def test_an_interrupted_creation_is_repeated(tmp_path: Path) -> None:
    """A kill during the creation leaves a journal to roll back."""
    path = tmp_path / "state.db"
    _interrupt_creation(path)

    await _create(path)

    assert set(_files(tmp_path)) == {"state.db", "state.db.lock"}


def _interrupt_creation(path: Path) -> None:
    """Leave the tables, and the journal of a file that had no pages before.

    Its format: https://www.sqlite.org/fileformat.html#the_rollback_journal
    """
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    connection.close()
    records, nonce, pages_before, sector_bytes, page_bytes = 0, 1, 0, 512, 4096
    fields = struct.pack(">5I", records, nonce, pages_before, sector_bytes, page_bytes)
    journal = (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + fields).ljust(sector_bytes, b"\0")
    path.with_name("state.db-journal").write_bytes(journal)


@pytest.mark.parametrize("name", ["a b?c#d%20e.db", "zürich-☃.db", "'quoted\".db"])
async def test_a_path_may_have_any_characters(tmp_path: Path, name: str) -> None:
    """This includes characters that are special in a URI."""
    for _ in range(2):
        await _create(tmp_path / name)

    assert (tmp_path / name).is_file()


async def test_a_relative_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs do the same."""
    monkeypatch.chdir(tmp_path)

    await _create(Path("state.db"))

    assert (tmp_path / "state.db").is_file()


async def test_a_state_file_has_an_application_id(tmp_path: Path) -> None:
    """`file` and other programs recognize it."""
    await _create(tmp_path / "state.db")
    connection = sqlite3.connect(tmp_path / "state.db")
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS]
    connection.close()

    assert found == [APPLICATION_ID, VERSION, "wal"]


_MARKS = ("application_id", "user_version", "journal_mode")


async def test_only_the_file_and_its_lock_remain(tmp_path: Path) -> None:
    """The log is moved into the file when it is closed, so that one file is the state."""
    await _create(tmp_path / "state.db")

    assert set(_files(tmp_path)) == {"state.db", "state.db.lock"}


# Refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"x", b"root:x:0:0:\n" * 100, b"SQLite format 3\0", bytes(4096)],
    ids=["one byte", "text", "cut short", "zeros"],
)
async def test_a_file_that_is_not_a_database_is_rejected(tmp_path: Path, content: bytes) -> None:
    """A mistyped path must not damage a file or leave files in its folder."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    assert "not a state file of this exporter" in await _rejection(path)
    assert set(_files(tmp_path)) == {"notes.txt"}


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
async def test_a_database_of_another_program_is_rejected(tmp_path: Path, journal_mode: str) -> None:
    """It stays unchanged even with a write-ahead log, which opening would move into the file."""
    path = tmp_path / "grafana.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    connection.execute("CREATE TABLE dashboards (id INTEGER)")
    connection.commit()

    refusal = await _rejection(path)
    connection.close()

    assert "not a state file of this exporter" in refusal
    assert set(_files(tmp_path)) == {"grafana.db"}


async def test_a_file_of_a_newer_version_is_rejected(tmp_path: Path) -> None:
    """This version cannot know its meaning."""
    path = tmp_path / "state.db"
    await _create(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    assert "upgrade this exporter" in await _rejection(path)


async def test_a_newer_version_that_is_only_in_the_log_is_rejected(tmp_path: Path) -> None:
    """A newer exporter that was killed after its migration leaves such a file."""
    path = tmp_path / "state.db"
    await _create(path)
    _change_and_crash(path, f"PRAGMA user_version = {VERSION + 1}")

    assert "upgrade this exporter" in await _rejection(path)


@pytest.mark.parametrize("has_log", [False, True])
async def test_a_damaged_file_is_rejected(tmp_path: Path, *, has_log: bool) -> None:
    """Wrong counters would be worse than no start."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    if has_log:
        _change_and_crash(path, "UPDATE accounts SET resets = 99")
    _overwrite(path, at=3 * 4096, data=b"\xff" * 4096)

    assert "damaged" in await _rejection(path)


async def test_a_truncated_file_is_rejected(tmp_path: Path) -> None:
    """A copy to a full disk leaves such a file."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    os.truncate(path, path.stat().st_size // 2)

    assert "damaged" in await _rejection(path)


async def test_a_folder_is_rejected(tmp_path: Path) -> None:
    """The setting names a file."""
    (tmp_path / "state").mkdir()

    assert "not a file" in await _rejection(tmp_path / "state")


async def test_a_pipe_is_rejected_without_opening_it(tmp_path: Path) -> None:
    """Opening it would block."""
    os.mkfifo(tmp_path / "pipe")

    assert "not a file" in await _rejection(tmp_path / "pipe")


async def test_a_link_to_itself_is_rejected(tmp_path: Path) -> None:
    """Symbolic links can form loops."""
    (tmp_path / "state.db").symlink_to(tmp_path / "state.db")

    with pytest.raises(StateError, match="symbolic links"):
        async with open_sqlite(tmp_path / "state.db"):
            pass


async def test_a_path_through_a_file_is_rejected(tmp_path: Path) -> None:
    """No folder can be created there."""
    (tmp_path / "file").touch()

    assert "Not a directory" in await _rejection(tmp_path / "file" / "state.db")


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["unreadable", "not writable"])
async def test_a_file_without_permission_is_rejected(public_folder: Path, mode: int) -> None:
    """The usual cause is a file of another user."""
    path = public_folder / "state.db"
    await _create(path)
    _set_modes({public_folder: 0o777, public_folder / "state.db.lock": 0o666, path: mode})

    await _check_permission_error(path, "Permission denied; let the exporter read and write it")


async def test_a_folder_that_cannot_be_written_is_rejected(public_folder: Path) -> None:
    """The lock and the log are beside the file."""
    path = public_folder / "state.db"
    await _create(path)
    (public_folder / "state.db.lock").unlink()
    _set_modes({path: 0o666, public_folder: 0o555})

    await _check_permission_error(path, "let the exporter write to this folder")


async def test_a_folder_that_cannot_be_created_is_rejected(public_folder: Path) -> None:
    """A service without a state directory has this error."""
    _set_modes({public_folder: 0o555})

    await _check_permission_error(public_folder / "new" / "state.db", "Permission denied")


def _set_modes(modes: dict[Path, int]) -> None:
    for path, mode in modes.items():
        path.chmod(mode)


async def _check_permission_error(path: Path, said: str) -> None:
    before = _status(path)
    with _unprivileged(), pytest.raises(StateError, match=said):
        async with open_sqlite(path):
            pass
    assert _status(path) == before


def _status(path: Path) -> tuple[int, int, int, int] | None:
    """Return values that change when the file does, also if its owner may not read it."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


async def test_a_file_locked_by_another_program_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example is an open transaction in the SQLite shell."""
    monkeypatch.setattr("exporter.store.opening.BUSY_SECONDS", 0.1)
    path = tmp_path / "state.db"
    await _create(path)
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StateError, match="locked by another program"):
            async with open_sqlite(path):
                pass
    finally:
        shell.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "CREATE TRIGGER t AFTER UPDATE ON accounts BEGIN DELETE FROM marks; END",
            "foreign or changed: trigger",
        ),
        ("CREATE VIEW v AS SELECT 1", "foreign or changed: view"),
        ("CREATE TABLE t (x)", "foreign or changed: table"),
        ("CREATE INDEX i ON users (level)", "foreign or changed: index"),
        ("ALTER TABLE users ADD COLUMN note ANY", "foreign or changed: table"),
        ("DROP TABLE marks", "tables are missing"),
    ],
)
@pytest.mark.parametrize("is_in_log", [False, True])
async def test_a_file_with_another_schema_is_rejected(
    tmp_path: Path, statement: str, said: str, *, is_in_log: bool
) -> None:
    """A foreign trigger would run with the exporter's statements."""
    path = tmp_path / "state.db"
    await _create(path)
    if is_in_log:
        _change_and_crash(path, statement)
    else:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(statement)
        connection.close()

    refusal = await _rejection(path)

    assert "its schema is not that of this exporter" in refusal
    assert said in refusal


async def test_tables_in_a_file_of_version_0_are_rejected(tmp_path: Path) -> None:
    """Any program can write the application id."""
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StateError, match="foreign or changed: table"):
        async with open_sqlite(path):
            pass

    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [7, b"\xff"])
async def test_a_text_column_without_text_is_an_error_that_says_what_to_do(
    tmp_path: Path, value: int | bytes
) -> None:
    """The columns accept any type, because texts may be stored as bytes."""
    path = tmp_path / "state.db"
    await _create(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE users SET user_id = ? WHERE id = 1", (value,))
    connection.close()

    async with open_sqlite(path) as store:
        with pytest.raises(StateError, match="cannot be read"):
            await store.load(ACCOUNT, now=1.0)


@pytest.mark.parametrize("target", ["notes.txt", "missing.txt"])
async def test_a_lock_that_is_a_link_is_rejected(tmp_path: Path, target: str) -> None:
    """In a folder that others can write, it may point to any file."""
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "state.db.lock").symlink_to(tmp_path / target)

    with pytest.raises(StateError, match=r"state\.db\.lock: a link"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "notes.txt").read_text() == "precious"
    assert not (tmp_path / "missing.txt").exists()


async def test_a_lock_that_is_a_hard_link_is_rejected(tmp_path: Path) -> None:
    """It may be another name of any file."""
    (tmp_path / "empty.txt").touch()
    (tmp_path / "state.db.lock").hardlink_to(tmp_path / "empty.txt")

    with pytest.raises(StateError, match="a link"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "empty.txt").read_bytes() == b""


@pytest.mark.parametrize("content", ["notes\n", "1234\nnotes", "9" * 20, "x" * 100])
async def test_a_lock_with_other_content_stays_unchanged(tmp_path: Path, content: str) -> None:
    """A file of another program must not be truncated."""
    (tmp_path / "state.db.lock").write_text(content)

    with pytest.raises(StateError, match="did not write"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "state.db.lock").read_text() == content


async def test_a_lock_that_is_a_pipe_is_rejected_without_blocking(tmp_path: Path) -> None:
    """Opening a pipe may block."""
    os.mkfifo(tmp_path / "state.db.lock")

    with pytest.raises(StateError, match="did not write"):
        async with open_sqlite(tmp_path / "state.db"):
            pass


# Alone --------------------------------------------------------------------------------------


async def test_a_second_exporter_is_rejected_with_the_process_id_of_the_first(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """Two exporters would count each event twice."""
    refusal = await _rejection(tmp_path / "state.db")

    assert f"in use by another exporter (process {holder.pid})" in refusal


async def test_a_second_store_of_the_same_process_is_rejected(tmp_path: Path) -> None:
    """A reload must not open the state a second time."""
    async with open_sqlite(tmp_path / "state.db"):
        assert f"process {os.getpid()}" in await _rejection(tmp_path / "state.db")


async def test_a_symbolic_link_leads_to_the_same_lock(tmp_path: Path) -> None:
    """Both paths are the same state."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "state.db")
    async with open_sqlite(tmp_path / "state.db"):
        with pytest.raises(StateError, match="in use by another exporter"):
            async with open_sqlite(link):
                pass


async def test_the_lock_is_released_when_a_process_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """A supervisor can start the next process at once."""
    holder.kill()
    holder.wait()

    async with open_sqlite(tmp_path / "state.db") as store:
        ledger = await store.load(ACCOUNT, now=2.0)

    assert ledger.account == changes_of_every_kind().account


async def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    """The same process can try again once the cause is removed."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    whole = path.read_bytes()
    _overwrite(path, at=3 * 4096, data=b"\xff" * 4096)
    await _rejection(path)

    path.write_bytes(whole)
    await _create(path)


def _overwrite(path: Path, *, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _change_and_crash(path: Path, statement: str) -> None:
    """Run a statement in a process that ends without closing, so that the log remains."""
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(sys.argv[2])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), statement], check=False)
    assert path.with_name(path.name + "-wal").stat().st_size > 0
