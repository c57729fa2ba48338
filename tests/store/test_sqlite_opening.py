"""Which files are opened, which are refused, and that a refused one is left as it was."""

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


async def _refusal(path: Path) -> str:
    """What is said when `path` is refused, and that nothing in its folder was changed.

    The lock beside it may have been, and the index of its log, which holds no data.
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
    """Bytes, mode and time of change of every file in the folder; nothing where it is missing."""
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
    """Where the tests run as root, to whom no permission is denied, be nobody for a while."""
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
    """A folder anybody can look into; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the state at `state.db`, and has committed to it."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


# Opened -------------------------------------------------------------------------------------


async def test_a_missing_file_is_created_for_our_eyes_only(tmp_path: Path) -> None:
    """It tells who is risky: folders 0700, files 0600, whatever the umask."""
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


async def test_a_file_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    """As `touch` and a restored backup leave it, with the log of a killed process beside it."""
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


async def test_an_empty_file_is_taken_for_a_missing_one(tmp_path: Path) -> None:
    """Packagers and operators `touch` a file to give it an owner."""
    path = tmp_path / "state.db"
    path.touch()

    await _create(path)

    assert path.stat().st_size > 0


async def test_a_file_whose_creation_was_cut_short_is_created_anew(tmp_path: Path) -> None:
    """A kill between the tables and the end of their transaction leaves a journal to undo it."""
    path = tmp_path / "state.db"
    _cut_creation_short(path)

    await _create(path)

    assert set(_files(tmp_path)) == {"state.db", "state.db.lock"}


def _cut_creation_short(path: Path) -> None:
    """The tables, and the journal of a file that had no pages before them.

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
    """Also those that mean something in a URI."""
    for _ in range(2):
        await _create(tmp_path / name)

    assert (tmp_path / name).is_file()


async def test_a_relative_path_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every program does."""
    monkeypatch.chdir(tmp_path)

    await _create(Path("state.db"))

    assert (tmp_path / "state.db").is_file()


async def test_our_files_are_marked_as_ours(tmp_path: Path) -> None:
    """`file` and other programs recognise it, and so do we."""
    await _create(tmp_path / "state.db")
    connection = sqlite3.connect(tmp_path / "state.db")
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _MARKS]
    connection.close()

    assert found == [APPLICATION_ID, VERSION, "wal"]


_MARKS = ("application_id", "user_version", "journal_mode")


async def test_nothing_but_the_file_and_its_lock_is_left_behind(tmp_path: Path) -> None:
    """The write-ahead log is folded in at a clean end, so that one file is the state."""
    await _create(tmp_path / "state.db")

    assert set(_files(tmp_path)) == {"state.db", "state.db.lock"}


# Refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"x", b"root:x:0:0:\n" * 100, b"SQLite format 3\0", bytes(4096)],
    ids=["one byte", "text", "cut short", "zeros"],
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """A mistyped path must not cost somebody's file, nor litter its folder."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    assert "not a state file of this exporter" in await _refusal(path)
    assert set(_files(tmp_path)) == {"notes.txt"}


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
async def test_somebody_elses_database_is_refused(tmp_path: Path, journal_mode: str) -> None:
    """Even one with a write-ahead log that opening it would fold in."""
    path = tmp_path / "grafana.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    connection.execute("CREATE TABLE dashboards (id INTEGER)")
    connection.commit()

    refusal = await _refusal(path)
    connection.close()

    assert "not a state file of this exporter" in refusal
    assert set(_files(tmp_path)) == {"grafana.db"}


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """What a newer exporter meant is not ours to guess."""
    path = tmp_path / "state.db"
    await _create(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    assert "upgrade this exporter" in await _refusal(path)


async def test_a_newer_version_only_told_in_the_log_is_refused(tmp_path: Path) -> None:
    """A newer exporter that was killed after migrating leaves the version there."""
    path = tmp_path / "state.db"
    await _create(path)
    _change_and_crash(path, f"PRAGMA user_version = {VERSION + 1}")

    assert "upgrade this exporter" in await _refusal(path)


@pytest.mark.parametrize("has_log", [False, True])
async def test_a_damaged_file_is_refused(tmp_path: Path, *, has_log: bool) -> None:
    """Counting on from damaged counters would be worse than stopping."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    if has_log:
        _change_and_crash(path, "UPDATE accounts SET resets = 99")
    _overwrite(path, at=3 * 4096, data=b"\xff" * 4096)

    assert "damaged" in await _refusal(path)


async def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    """As a copy that ran out of disk leaves it."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    os.truncate(path, path.stat().st_size // 2)

    assert "damaged" in await _refusal(path)


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    """The setting names a file."""
    (tmp_path / "state").mkdir()

    assert "not a file" in await _refusal(tmp_path / "state")


async def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    """Opening it would block the start for ever."""
    os.mkfifo(tmp_path / "pipe")

    assert "not a file" in await _refusal(tmp_path / "pipe")


async def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    """Symbolic links can go in circles."""
    (tmp_path / "state.db").symlink_to(tmp_path / "state.db")

    with pytest.raises(StateError, match="symbolic links"):
        async with open_sqlite(tmp_path / "state.db"):
            pass


async def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """A folder cannot be made there."""
    (tmp_path / "file").touch()

    assert "Not a directory" in await _refusal(tmp_path / "file" / "state.db")


@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["unreadable", "not writable"])
async def test_a_file_without_permission_is_refused(public_folder: Path, mode: int) -> None:
    """Better at the start than at the first event. The usual cause: a file of another user's."""
    path = public_folder / "state.db"
    await _create(path)
    _set_modes({public_folder: 0o777, public_folder / "state.db.lock": 0o666, path: mode})

    await _permission_refusal(path, "Permission denied; let the exporter read and write it")


async def test_a_folder_that_cannot_be_written_is_refused(public_folder: Path) -> None:
    """The lock and the log stand beside the file."""
    path = public_folder / "state.db"
    await _create(path)
    (public_folder / "state.db.lock").unlink()
    _set_modes({path: 0o666, public_folder: 0o555})

    await _permission_refusal(path, "let the exporter write to this folder")


async def test_a_new_folder_that_cannot_be_made_is_refused(public_folder: Path) -> None:
    """As for a service without a state directory of its own."""
    _set_modes({public_folder: 0o555})

    await _permission_refusal(public_folder / "new" / "state.db", "Permission denied")


def _set_modes(modes: dict[Path, int]) -> None:
    for path, mode in modes.items():
        path.chmod(mode)


async def _permission_refusal(path: Path, said: str) -> None:
    before = _status(path)
    with _unprivileged(), pytest.raises(StateError, match=said):
        async with open_sqlite(path):
            pass
    assert _status(path) == before


def _status(path: Path) -> tuple[int, int, int, int] | None:
    """Return what shows a change of a file that its owner may not even read."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


async def test_a_file_another_program_keeps_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as somebody's open transaction in the SQLite shell."""
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
async def test_a_file_with_a_schema_that_is_not_ours_is_refused(
    tmp_path: Path, statement: str, said: str, *, is_in_log: bool
) -> None:
    """A trigger in a file from elsewhere would run with our statements."""
    path = tmp_path / "state.db"
    await _create(path)
    if is_in_log:
        _change_and_crash(path, statement)
    else:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(statement)
        connection.close()

    refusal = await _refusal(path)

    assert "its schema is not that of this exporter" in refusal
    assert said in refusal


async def test_tables_in_a_file_of_no_version_are_refused(tmp_path: Path) -> None:
    """Anybody can write our mark into the header of a file of theirs."""
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
async def test_a_text_that_is_none_is_an_error_that_says_what_to_do(
    tmp_path: Path, value: int | bytes
) -> None:
    """The columns of texts take any type, because texts may be bytes."""
    path = tmp_path / "state.db"
    await _create(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE users SET user_id = ? WHERE id = 1", (value,))
    connection.close()

    async with open_sqlite(path) as store:
        with pytest.raises(StateError, match="cannot be read"):
            await store.load(ACCOUNT, now=1.0)


@pytest.mark.parametrize("target", ["notes.txt", "missing.txt"])
async def test_a_lock_that_is_a_link_is_refused(tmp_path: Path, target: str) -> None:
    """In a folder that others write to it may lead to any file of ours."""
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "state.db.lock").symlink_to(tmp_path / target)

    with pytest.raises(StateError, match=r"state\.db\.lock: a link"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "notes.txt").read_text() == "precious"
    assert not (tmp_path / "missing.txt").exists()


async def test_a_lock_that_is_a_second_name_of_a_file_is_refused(tmp_path: Path) -> None:
    """A hard link cannot be told from the file, but counted."""
    (tmp_path / "empty.txt").touch()
    (tmp_path / "state.db.lock").hardlink_to(tmp_path / "empty.txt")

    with pytest.raises(StateError, match="a link"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "empty.txt").read_bytes() == b""


@pytest.mark.parametrize("content", ["notes\n", "1234\nnotes", "9" * 20, "x" * 100])
async def test_a_lock_with_something_else_in_it_is_left_as_it_is(
    tmp_path: Path, content: str
) -> None:
    """Somebody's file of that name must not be cut to nothing."""
    (tmp_path / "state.db.lock").write_text(content)

    with pytest.raises(StateError, match="did not write"):
        async with open_sqlite(tmp_path / "state.db"):
            pass

    assert (tmp_path / "state.db.lock").read_text() == content


async def test_a_lock_that_is_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    """Opening it would block the start."""
    os.mkfifo(tmp_path / "state.db.lock")

    with pytest.raises(StateError, match="did not write"):
        async with open_sqlite(tmp_path / "state.db"):
            pass


# Alone --------------------------------------------------------------------------------------


async def test_a_second_exporter_is_refused_and_told_who_the_first_is(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """Two would count every event once each."""
    refusal = await _refusal(tmp_path / "state.db")

    assert f"in use by another exporter (process {holder.pid})" in refusal


async def test_a_second_store_of_the_same_process_is_refused(tmp_path: Path) -> None:
    """A reload must not open the state a second time."""
    async with open_sqlite(tmp_path / "state.db"):
        assert f"process {os.getpid()}" in await _refusal(tmp_path / "state.db")


async def test_a_symbolic_link_leads_to_the_same_lock(tmp_path: Path) -> None:
    """Another name makes it no other state."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(tmp_path / "state.db")
    async with open_sqlite(tmp_path / "state.db"):
        with pytest.raises(StateError, match="in use by another exporter"):
            async with open_sqlite(link):
                pass


async def test_the_lock_ends_with_a_killed_process(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """A supervisor starts the next one at once, and no file has to be removed by hand."""
    holder.kill()
    holder.wait()

    async with open_sqlite(tmp_path / "state.db") as store:
        ledger = await store.load(ACCOUNT, now=2.0)

    assert ledger.account == changes_of_every_kind().account


async def test_the_lock_is_free_after_a_refusal(tmp_path: Path) -> None:
    """Whoever mends what was wrong can start again, in this process too."""
    path = tmp_path / "state.db"
    await _create(path, users=500)
    whole = path.read_bytes()
    _overwrite(path, at=3 * 4096, data=b"\xff" * 4096)
    await _refusal(path)

    path.write_bytes(whole)
    await _create(path)


def _overwrite(path: Path, *, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _change_and_crash(path: Path, statement: str) -> None:
    """Run a statement in a process that ends without closing, so that the log stays."""
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(sys.argv[2])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), statement], check=False)
    assert path.with_name(path.name + "-wal").stat().st_size > 0
