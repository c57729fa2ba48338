"""One process at a time holds a state; the others are refused."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import StateError

_LONGEST_CONTENT = 20
_CONTENT = re.compile(rb"(\d{1,19}\n)?")
"""The process that holds the lock, or held it last; nothing in a new file."""


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold `PATH.lock` for as long as the context lives.

    The kernel gives the lock up with the process, however that ends. It is a file of its own,
    because closing any handle of a database file drops SQLite's own locks on it, and so that
    others may read and back up a state in use. It is left behind: removing it would race with
    the next process, which may just have opened it.

    Raises StateError if another process holds it, if it cannot be had, and if the file there is
    a link or anything else that this exporter did not write; such a file stays as it is.
    """
    lock_path = path.with_name(path.name + ".lock")
    handle = _open(lock_path)
    try:
        _refuse_foreign(handle, lock_path)
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
            raise _foreign(lock_path) from error
        raise StateError(
            f"{lock_path}: {error.strerror}; let the exporter write to this folder, "
            "or keep the state elsewhere (RISK_EXPORTER_STATE)"
        ) from error


def _refuse_foreign(handle: int, lock_path: Path) -> None:
    status = os.fstat(handle)
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if not is_plain or not _CONTENT.fullmatch(os.pread(handle, _LONGEST_CONTENT + 1, 0)):
        raise _foreign(lock_path)


def _foreign(lock_path: Path) -> StateError:
    return StateError(
        f"{lock_path}: a link or a file that this exporter did not write; move it away, or keep "
        "the state elsewhere (RISK_EXPORTER_STATE)"
    )


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = (
            os.pread(handle, _LONGEST_CONTENT, 0).decode("ascii", "replace").strip() or "unknown"
        )
        raise StateError(
            f"{path}: in use by another exporter (process {holder}); stop that one first, "
            "or give this one a state of its own (RISK_EXPORTER_STATE)"
        ) from error
    except OSError as error:
        raise StateError(
            f"{path}: this file system keeps no locks ({error.strerror}); "
            "keep the state on a local disk (RISK_EXPORTER_STATE)"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
