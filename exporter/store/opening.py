"""How a state file comes to be open: created, or recognised, checked and migrated, or refused.

A file that is refused is left as it was, byte for byte: it is recognised by its header before
SQLite sees it, and checked over a connection that cannot write.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from exporter.errors import StateError
from exporter.store.lock import hold_lock
from exporter.store.schema import APPLICATION_ID, VERSION, expected_schema, migrate, read_schema

BUSY_SECONDS = 5.0
"""How long another program, such as a backup, may keep us from writing."""

CACHE_KIBIBYTES = 16_384
"""Enough pages for the scattered rows of one commit."""

LOG_LIMIT_BYTES = 4 * 2**20
"""A write-ahead log longer than this is folded into the file, and cut back at the next commit."""

_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables, https://www.sqlite.org/stricttables.html
_HEADER_BYTES = 100  # https://www.sqlite.org/fileformat.html#the_database_header
_MAGIC = b"SQLite format 3\0"
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_ELSEWHERE = "or keep the state elsewhere (RISK_EXPORTER_STATE)"
_REMEDIES = {
    sqlite3.SQLITE_NOTADB: f"not a state file of this exporter; move it away, {_ELSEWHERE}",
    sqlite3.SQLITE_CORRUPT: "damaged; restore it from a backup, or move it away with its -wal "
    "file to begin again at zero",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; end that one and start again",
    sqlite3.SQLITE_READONLY: "cannot be written to; give the exporter write permission on the "
    f"file and its folder, {_ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; give the exporter write permission on the "
    f"file and its folder, {_ELSEWHERE}",
    sqlite3.SQLITE_FULL: f"its disk is full; make room, {_ELSEWHERE}",
}


def open_database(path: Path, resources: ExitStack) -> sqlite3.Connection:
    """A connection to the state file at `path`, alone to write to it, for this thread's use.

    `path` is absolute and has no symbolic links in it. A missing or empty file is created, mode
    0600, with its missing parent folders, mode 0700. What has to be closed in the end is pushed
    onto `resources`, by this thread too. Raises StateError, saying what to do, where the file is
    refused.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StateError(f"SQLite {sqlite3.sqlite_version} is too old: use 3.37 or newer")
    with _refused(path):
        _recognise(path)
        _create_folder(path.parent)
        resources.enter_context(hold_lock(path))
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        if path.stat().st_size:
            _check(path)
        _restrict(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        resources.enter_context(closing(connection))
        _prepare(connection)
    return connection


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside becomes a StateError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{path}: {error.strerror}; let the exporter read and write it, {_ELSEWHERE}"
        ) from error
    except sqlite3.Error as error:
        remedy = _REMEDIES.get(_primary_code(error), f"cannot be used, {_ELSEWHERE}")
        raise StateError(f"{path}: {remedy} (SQLite: {error})") from error


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without what its upper bytes add to it; 0 where there is none."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0


def _recognise(path: Path) -> None:
    """Refuse a file that is not one of ours, or is newer than we are, by its header alone.

    That suffices: the header of ours is written before the log that follows it exists.
    """
    if path.exists() and not path.is_file():
        raise StateError(f"{path}: not a file; name a file for the state (RISK_EXPORTER_STATE)")
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return
    if not header:
        return
    application_id, version = header[68:72], int.from_bytes(header[60:64], "big")
    if not header.startswith(_MAGIC) or application_id != APPLICATION_ID.to_bytes(4, "big"):
        raise StateError(f"{path}: {_REMEDIES[sqlite3.SQLITE_NOTADB]}")
    _refuse_newer(path, version)


def _refuse_newer(path: Path, version: int) -> None:
    if not 0 <= version <= VERSION:
        raise StateError(
            f"{path}: written by a newer exporter (version {version} of the schema, this one "
            f"knows up to {VERSION}); upgrade this exporter, or restore an older backup"
        )


def _create_folder(folder: Path) -> None:
    """Create the missing folders for our eyes only; `mkdir` does so for the last one alone."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def _check(path: Path) -> None:
    """Refuse a damaged file, at the cost of reading it once."""
    uri = f"{path.as_uri()}?{_reading_mode(path)}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _refuse_newer(path, version)
        _refuse_foreign_schema(path, connection, version)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StateError(f"{path}: {_REMEDIES[sqlite3.SQLITE_CORRUPT]} ({verdict})")


def _refuse_foreign_schema(path: Path, connection: sqlite3.Connection, version: int) -> None:
    """Refuse a file with anything but our tables and indexes, before any of it is used.

    A trigger or a view of somebody else's could change what our statements do.
    """
    found, expected = read_schema(connection), expected_schema(version)
    if found == expected:
        return
    kinds = {kind for kind, *_ in found - expected} & {"table", "index", "view", "trigger"}
    reason = f"foreign or changed: {', '.join(sorted(kinds))}" if kinds else "tables are missing"
    raise StateError(
        f"{path}: its schema is not the one of this exporter ({reason}); restore it from a "
        f"backup, move it away to begin again at zero, {_ELSEWHERE}"
    )


def _restrict(path: Path) -> None:
    """Take the file and its log from everybody but their owner, if that is us.

    A file that was there before, made by `touch` or restored from a backup, may be readable by
    others; SQLite gives the log the mode of the file.
    """
    for suffix in ("", "-wal", "-shm"):
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(path.with_name(path.name + suffix), flags)
        except FileNotFoundError:
            continue
        try:
            status = os.fstat(handle)
            if stat.S_IMODE(status.st_mode) & _OF_OTHERS and status.st_uid == os.geteuid():
                os.fchmod(handle, stat.S_IRUSR | stat.S_IWUSR)
        finally:
            os.close(handle)


def examine(path: Path) -> None:
    """Raise StateError if an exporter would refuse the file at `path`; leave no trace.

    Where a log or a journal is beside the file, only its header is looked at, because reading
    more would leave files behind.
    """
    with _refused(path):
        _recognise(path)
        has_log = any(
            path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")
        )
        if path.exists() and path.stat().st_size and not has_log:
            _check(path)


def _reading_mode(path: Path) -> str:
    """How to look into the file without a trace.

    A connection that can write would move the log into the file when it closes; one that knows
    of a log leaves an empty one behind. Only where a creation was cut short, and nothing can be
    lost, SQLite has to write, to undo that.
    """
    if path.with_name(path.name + "-journal").exists():
        return "mode=rw"
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the connection durable and the file current, and prove that it can be written.

    The tables come before the log, so that even a file cut short has our mark in its header.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    migrate(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `SqliteStore` runs checkpoints
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
