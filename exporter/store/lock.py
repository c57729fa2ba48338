"""A lock file, so that one process at a time uses a state file."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import StateError

_MAX_CONTENT_BYTES = 20
_CONTENT = re.compile(rb"(\d{1,19}\n)?")
"""The id of the last process that held the lock; a new file is empty."""


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a lock on `PATH.lock` while the context is entered.

    The kernel releases the lock when the process ends, even if it is killed. A separate file is
    used because closing any handle of a database file drops SQLite's own locks on it, and so that
    other programs can read and back up a state in use. The file is not removed, because the next
    process may already have opened it.

    Raises StateError if another process holds the lock, if locking fails, and if the lock file is
    a link or was not written by this exporter; such a file stays unchanged.
    """
    lock_path = path.with_name(path.name + ".lock")
    handle = _open(lock_path)
    try:
        _check_lock_file(handle, lock_path)
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _open(lock_path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(lock_path, flags, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _foreign_error(lock_path) from error
        raise StateError(
            f"{lock_path}: {error.strerror}; let the exporter write to this folder, "
            "or store the state elsewhere (RISK_EXPORTER_STATE)"
        ) from error


def _check_lock_file(handle: int, lock_path: Path) -> None:
    status = os.fstat(handle)
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if not is_plain or not _CONTENT.fullmatch(os.pread(handle, _MAX_CONTENT_BYTES + 1, 0)):
        raise _foreign_error(lock_path)


def _foreign_error(lock_path: Path) -> StateError:
    return StateError(
        f"{lock_path}: a link or a file that this exporter did not write; move it away, or store "
        "the state elsewhere (RISK_EXPORTER_STATE)"
    )


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = (
            os.pread(handle, _MAX_CONTENT_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
        )
        raise StateError(
            f"{path}: in use by another exporter (process {holder}); stop that one first, "
            "or configure another state for this one (RISK_EXPORTER_STATE)"
        ) from error
    except OSError as error:
        raise StateError(
            f"{path}: this file system does not support locks ({error.strerror}); "
            "store the state on a local disk (RISK_EXPORTER_STATE)"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
