"""What commands print: tables for people, JSON for programs.

Names, emails and messages come from elsewhere. Nothing in them is markup here, and no control
character of theirs reaches a terminal.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.errors import OutputError
from exporter.risk.model import RiskLevel

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Cell = str | Text

_WIDE = 100_000
"""Columns of a pipe: whoever reads it wants whole lines."""

_MOST_FOLDED_ROWS = 1_000
"""About as many as can be laid out in half a second."""

_STYLES = {
    RiskLevel.UNKNOWN: "magenta",
    RiskLevel.LOW: "green",
    RiskLevel.MEDIUM: "yellow",
    RiskLevel.HIGH: "bold red",
}


def printable(text: str) -> str:
    """The text on one line, whatever is not a visible character or a space spelt as its escape."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def rfc3339(seconds: float) -> str:
    """An instant as the API spells one, in UTC, to the microsecond where it has any."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def instant_cell(seconds: float | None) -> str:
    """An instant for people, to the second; empty where there is none."""
    return "" if seconds is None else rfc3339(float(int(seconds)))


def level_cell(level: RiskLevel) -> Text:
    """A level in its colour."""
    return Text(level.label, _STYLES.get(level, ""))


def yes_or_no(*, value: bool) -> str:
    """A truth for people."""
    return "yes" if value else "no"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows under their columns' names.

    On a terminal long cells are folded. A pipe gets whole lines, and so does a terminal of a
    list so long that laying it out would take longer than reading it.
    """
    shown = [tuple(_shown(cell) for cell in row) for row in rows]
    if _is_terminal() and len(shown) <= _MOST_FOLDED_ROWS:
        _print_folded(columns, shown)
    else:
        _print_lines([tuple(map(Text, columns)), *shown])


def print_fields(fields: Mapping[str, Cell]) -> None:
    """Print the fields of one thing, one a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in fields.items():
        table.add_row(name, _shown(cell))
    _print(table)


def print_line(text: str) -> None:
    """Print a sentence about what was done."""
    _write(printable(text) + "\n")


def print_json(document: Json) -> None:
    """Print the one JSON document of a command, in ASCII, so that any terminal may show it."""
    _write(json.dumps(document, indent=2) + "\n")


def print_bytes(pieces: Iterable[bytes]) -> None:
    """Print a document as it is."""
    with _standard_output():
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()


def flush_output() -> None:
    """Write out what argparse has printed, so that a failure is seen before the process ends."""
    if sys.stdout is not None:
        with _standard_output():
            sys.stdout.flush()


def tell(text: str) -> None:
    """Print a line beside the output: on standard error."""
    complain(printable(text))


def complain(message: str) -> None:
    """Print lines on standard error, if it can be written."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(message, file=sys.stderr)


@contextmanager
def _standard_output() -> Iterator[None]:
    """Turn a failure to write into an OutputError; a reader that has left is no failure.

    Afterwards nothing is left for the interpreter to flush at its end.
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


def _print_folded(columns: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*row)
    _print(table)


def _print_lines(rows: Sequence[Sequence[Text]]) -> None:
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    rule = tuple(Text("-" * width) for width in widths)
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        padded = (
            cell.plain + " " * (width - cell.cell_len)
            for cell, width in zip(row, widths, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    _write("".join(f"{line}\n" for line in lines))


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _shown(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(cell))


def _print(what: RenderableType) -> None:
    is_terminal = _is_terminal()
    console = Console(force_terminal=is_terminal, width=None if is_terminal else _WIDE)
    with console.capture() as captured:
        console.print(what)
    _write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _write(text: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode
    with _standard_output():
        sys.stdout.write(text)
        sys.stdout.flush()
