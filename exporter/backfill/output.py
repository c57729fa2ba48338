"""A file that appears whole or not at all."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from exporter.errors import ConfigurationError, ExporterError

Write = Callable[[Iterable[bytes]], None]
"""Writes all there is to write; to be called once at the most."""


@contextmanager
def open_output(path: Path | None) -> Iterator[Write]:
    """Prove that the file at `path` can be written, and give the way to write it.

    It is there once it was written as a whole; until then another one of that name stays as it
    is. What is no regular file, such as a pipe, is written to as it stands. None is standard
    output, whose reader may leave early. Raises ConfigurationError where nothing can be written
    there; writing raises ExporterError where it fails, as on a full disk.
    """
    if path is None:
        yield _write_to_stdout
        return
    target = path.resolve()
    is_special = target.exists() and not target.is_file()
    part = target if is_special else target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        stream = part.open("wb")
    except OSError as error:
        raise ConfigurationError(f"--output: {path}: {error.strerror}") from error
    try:
        with stream:
            yield partial(_write_whole, stream, part, target)
    finally:
        if not is_special:
            part.unlink(missing_ok=True)


def _write_whole(stream: BinaryIO, part: Path, target: Path, pieces: Iterable[bytes]) -> None:
    try:
        stream.writelines(pieces)
        stream.flush()
        with suppress(OSError):  # a pipe cannot be synchronised, and need not be
            os.fsync(stream.fileno())
        if part != target:
            part.replace(target)
    except OSError as error:
        raise ExporterError(f"{target}: cannot be written: {error.strerror}") from error


def _write_to_stdout(pieces: Iterable[bytes]) -> None:
    try:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # `backfill | head` has read enough; nothing is left for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
