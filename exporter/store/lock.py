"""One process at a time holds a state; the others are told."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.errors import StateError


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold `PATH.lock` for as long as the context lives.

    The kernel gives the lock up with the process, however that ends. It is a file of its own,
    because closing any handle of a database file drops SQLite's own locks on it, and so that
    others may read and back up a state in use. It is left behind: removing it would race with
    the next process, which may just have opened it.

    Raises StateError where another process holds it, or where it cannot be had.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"{lock_path}: {error.strerror}; let the exporter write to this folder, "
            "or keep the state elsewhere (RISK_EXPORTER_STATE)"
        ) from error
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
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
