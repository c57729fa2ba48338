"""Writes lines, JSON and bytes to standard output, and messages to standard error.

Names, emails and messages come from other systems. Their control characters are escaped.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from exporter.errors import OutputError

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def printable(text: str) -> str:
    """Return the text on one line, with every character that is not printable escaped."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def rfc3339(seconds: float) -> str:
    """Return an instant as the API writes it: in UTC, with microseconds if it has any."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def print_line(text: str) -> None:
    """Print one line."""
    write_output(printable(text) + "\n")


def print_json(document: Json) -> None:
    """Print a JSON document in ASCII, which every terminal can show."""
    write_output(json.dumps(document, indent=2) + "\n")


def print_bytes(pieces: Iterable[bytes]) -> None:
    """Print bytes unchanged."""
    with _standard_output():
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()


def write_output(text: str) -> None:
    """Write text to standard output and flush it; escape what its encoding lacks.

    Raises OutputError if standard output is closed or cannot be written. A closed pipe is not an
    error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode
    with _standard_output():
        sys.stdout.write(text)
        sys.stdout.flush()


def flush_output() -> None:
    """Flush what argparse has printed, so that a failure becomes an OutputError."""
    if sys.stdout is not None:
        with _standard_output():
            sys.stdout.flush()


def print_error(message: str) -> None:
    """Print the lines of a message on standard error, if it can be written."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(*map(printable, message.split("\n")), sep="\n", file=sys.stderr)


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def _standard_output() -> Iterator[None]:
    """Turn a failure to write into an OutputError; ignore a closed pipe.

    After a failure nothing is left in the buffer that the interpreter would flush at its end.
    """
    if sys.stdout is None:
        raise OutputError("standard output: is closed")
    try:
        yield
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


def _discard_output() -> None:
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
