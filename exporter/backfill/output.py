"""A file that appears whole or not at all, for its owner alone."""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from exporter.errors import ConfigurationError, OutputError

Write = Callable[[Iterable[bytes]], None]
"""Writes all there is to write; to be called once at the most."""

_MAY_PASS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a disk, as against those of a wrong path."""


@contextmanager
def open_output(path: Path) -> Iterator[Write]:
    """Prove that the file at `path` can be written, and give the way to write it.

    The file is there once it was written as a whole, with mode 0600; until then another file of
    that name stays as it is. What is not a regular file, such as a pipe, is written to as it
    stands. Raises ConfigurationError if nothing can be written there and OutputError if the disk
    is full; writing raises OutputError if it fails.
    """
    target = path.resolve()
    is_special = target.exists() and not target.is_file()
    part = target if is_special else target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        stream = part.open("wb") if is_special else _create(part)
    except OSError as error:
        kind = OutputError if error.errno in _MAY_PASS else ConfigurationError
        raise kind(f"--output: {path}: {error.strerror}") from error
    try:
        yield partial(_write_whole, stream, part, target)
    finally:
        with suppress(OSError):  # what matters was flushed, and its failure reported
            stream.close()
        if not is_special:
            part.unlink(missing_ok=True)


def keep_elsewhere(pieces: Callable[[], Iterable[bytes]]) -> Path:
    """Write `pieces` to a new file, mode 0600, in the first folder that has room; return its path.

    Tries the folder for temporary files, then the home folder, then the working directory.
    Raises OutputError if none of them has room.
    """
    for folder in (tempfile.gettempdir(), Path.home(), Path.cwd()):
        with suppress(OSError):
            return _write_new(Path(folder), pieces())
    raise OutputError("nor is there room for it in the folder for temporary files or at home")


def _create(path: Path) -> BinaryIO:
    """Create the file for its owner alone; one that a killed process left behind is replaced."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR), "wb")


def _write_new(folder: Path, pieces: Iterable[bytes]) -> Path:
    descriptor, name = tempfile.mkstemp(".om", "cloudflare-risk-backfill-", folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(pieces)
    except BaseException:
        path.unlink()
        raise
    return path


def _write_whole(stream: BinaryIO, part: Path, target: Path, pieces: Iterable[bytes]) -> None:
    try:
        stream.writelines(pieces)
        stream.flush()
        _synchronise(stream)
        if part != target:
            part.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror}") from error


def _synchronise(stream: BinaryIO) -> None:
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        if error.errno in _MAY_PASS:
            raise
        # A pipe cannot be synchronised, and need not be.
