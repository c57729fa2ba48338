"""A file, readable by its owner alone, that is written completely or not at all."""

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
"""Writes the whole content; call it at most once."""

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of the disk; any other error is one of the path."""


@contextmanager
def open_output(path: Path) -> Iterator[Write]:
    """Check that the file at `path` can be written, and yield a function that writes it.

    The file appears, with mode 0600, once its whole content is written; until then an existing
    file of that name stays unchanged. A path that is not a regular file, such as a pipe, is
    written to directly. Raises ConfigurationError if nothing can be written there and OutputError
    if the disk is full; writing raises OutputError if it fails.
    """
    target = path.resolve()
    is_special = target.exists() and not target.is_file()
    part = target if is_special else target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        stream = part.open("wb") if is_special else _create(part)
    except OSError as error:
        kind = OutputError if error.errno in _DISK_ERRORS else ConfigurationError
        raise kind(f"--output: {path}: {error.strerror}") from error
    try:
        yield partial(_write_whole, stream, part, target)
    finally:
        with suppress(OSError):  # the content is flushed already, and a failure was raised
            stream.close()
        if not is_special:
            part.unlink(missing_ok=True)


def write_elsewhere(content: Callable[[], Iterable[bytes]]) -> Path:
    """Write the content to a new file, mode 0600, in the first folder with room; return its path.

    Tries the folder for temporary files, the home folder and the working directory. Raises
    OutputError if none of them has room.
    """
    for folder in (tempfile.gettempdir(), Path.home(), Path.cwd()):
        with suppress(OSError):
            return _write_new(Path(folder), content())
    raise OutputError(
        "there is no room in the folder for temporary files or the home folder either"
    )


def _create(path: Path) -> BinaryIO:
    """Create the file with mode 0600, replacing one that a killed process left."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR), "wb")


def _write_new(folder: Path, content: Iterable[bytes]) -> Path:
    descriptor, name = tempfile.mkstemp(".om", "cloudflare-risk-backfill-", folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(content)
    except BaseException:
        path.unlink()
        raise
    return path


def _write_whole(stream: BinaryIO, part: Path, target: Path, content: Iterable[bytes]) -> None:
    try:
        stream.writelines(content)
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
        if error.errno in _DISK_ERRORS:
            raise
        # fsync fails on a pipe, which needs none.
