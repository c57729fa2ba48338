"""Opening a state file: it is created, or checked and migrated, or rejected.

A rejected file stays unchanged, byte for byte: its header is checked before SQLite opens it, and
its content over a connection that cannot write.
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
"""How long a write waits for another program, such as a backup."""

CACHE_KIBIBYTES = 16_384
"""Enough for the pages that one commit touches."""

LOG_LIMIT_BYTES = 4 * 2**20
"""A longer write-ahead log is moved into the file, and truncated at the next commit."""

_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables, https://www.sqlite.org/stricttables.html
_HEADER_BYTES = 100  # https://www.sqlite.org/fileformat.html#the_database_header
_MAGIC = b"SQLite format 3\0"
_OTHERS_PERMISSIONS = stat.S_IRWXG | stat.S_IRWXO
_ELSEWHERE = "or store the state elsewhere (RISK_EXPORTER_STATE)"
_REMEDIES = {
    sqlite3.SQLITE_NOTADB: f"not a state file of this exporter; move it away, {_ELSEWHERE}",
    sqlite3.SQLITE_CORRUPT: "damaged; restore it from a backup, or move it away with its -wal "
    "file to start again at zero",
    sqlite3.SQLITE_BUSY: "locked by another program; stop that program and start again",
    sqlite3.SQLITE_READONLY: "cannot be written; give the exporter write permission on the "
    f"file and its folder, {_ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; give the exporter write permission on the "
    f"file and its folder, {_ELSEWHERE}",
    sqlite3.SQLITE_FULL: f"its disk is full; free space, {_ELSEWHERE}",
}


def open_database(path: Path, resources: ExitStack) -> sqlite3.Connection:
    """Open the state file at `path` for this thread, as the only process that writes it.

    `path` is absolute and has no symbolic links in it. A missing or empty file is created, mode
    0600, with its missing parent folders, mode 0700. Pushes what must be closed onto `resources`,
    which this thread closes. Raises StateError, which says what to do, if the file is rejected.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StateError(f"SQLite {sqlite3.sqlite_version} is too old; use 3.37 or newer")
    with _state_errors(path):
        _check_header(path)
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
def _state_errors(path: Path) -> Iterator[None]:
    """Raise the errors of the block as StateErrors that say what to do."""
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
    """Return the primary result code, the lowest byte of SQLite's code; 0 if there is none."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0


def _check_header(path: Path) -> None:
    """Raise StateError if the header shows a file of another program or a newer version.

    The header is sufficient, because it is written before the write-ahead log exists.
    """
    if path.exists() and not path.is_file():
        raise StateError(
            f"{path}: not a file; configure a file for the state (RISK_EXPORTER_STATE)"
        )
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
    _check_version(path, version)


def _check_version(path: Path, version: int) -> None:
    if not 0 <= version <= VERSION:
        raise StateError(
            f"{path}: written by a newer exporter (schema version {version}, this one "
            f"supports up to {VERSION}); upgrade this exporter, or restore an older backup"
        )


def _create_folder(folder: Path) -> None:
    """Create the missing folders with mode 0700, which `mkdir` applies to the last one only."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def _check(path: Path) -> None:
    """Raise StateError if the file is damaged; reads the whole file once."""
    uri = f"{path.as_uri()}?{_reading_mode(path)}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check_version(path, version)
        _check_schema(path, connection, version)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StateError(f"{path}: {_REMEDIES[sqlite3.SQLITE_CORRUPT]} ({verdict})")


def _check_schema(path: Path, connection: sqlite3.Connection, version: int) -> None:
    """Raise StateError if the file has other tables, indexes, views or triggers than expected.

    A foreign trigger or view could change the effect of the statements that follow.
    """
    found, expected = read_schema(connection), expected_schema(version)
    if found == expected:
        return
    kinds = {kind for kind, *_ in found - expected} & {"table", "index", "view", "trigger"}
    reason = f"foreign or changed: {', '.join(sorted(kinds))}" if kinds else "tables are missing"
    raise StateError(
        f"{path}: its schema is not that of this exporter ({reason}); restore it from a "
        f"backup, move it away to start again at zero, {_ELSEWHERE}"
    )


def _restrict(path: Path) -> None:
    """Set mode 0600 on the file and its log if this user owns them.

    A file made by `touch` or restored from a backup may be readable by others, and SQLite creates
    the log with the mode of the file.
    """
    for suffix in ("", "-wal", "-shm"):
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(path.with_name(path.name + suffix), flags)
        except FileNotFoundError:
            continue
        try:
            status = os.fstat(handle)
            if stat.S_IMODE(status.st_mode) & _OTHERS_PERMISSIONS and status.st_uid == os.geteuid():
                os.fchmod(handle, stat.S_IRUSR | stat.S_IWUSR)
        finally:
            os.close(handle)


def examine(path: Path) -> None:
    """Raise StateError if an exporter would reject the file at `path`; create no files.

    If a log or a journal exists, only the header is checked, because opening the database would
    leave files behind.
    """
    with _state_errors(path):
        _check_header(path)
        has_log = any(
            path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")
        )
        if path.exists() and path.stat().st_size and not has_log:
            _check(path)


def _reading_mode(path: Path) -> str:
    """Return the mode of a connection that leaves the files unchanged.

    A connection that can write moves the log into the file when it closes, and one that may use a
    log leaves an empty one behind. Only an interrupted creation, where nothing can be lost, has a
    journal, which SQLite must write to roll back.
    """
    if path.with_name(path.name + "-journal").exists():
        return "mode=rw"
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"


def _prepare(connection: sqlite3.Connection) -> None:
    """Configure the connection, migrate the file, and check that it can be written.

    The tables are created before the log, so that a file whose creation was interrupted has the
    application id in its header.
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
