"""What commands print: tables for people, JSON for programs.

Names, emails and messages come from elsewhere. Nothing in them is markup here, and no control
character of theirs reaches a terminal.
"""

import io
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import compress
from operator import not_

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

_GAP = "  "

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


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, beneath: Collection[str] = ()
) -> None:
    """Print rows under their columns' names.

    Where a terminal is too narrow, the columns named in `beneath` go to a second line of each
    row; if none is named, long cells are folded, except in the first column. So an id stays in
    one piece. A pipe gets whole lines, and so does a terminal of a list so long that laying it
    out would take longer than reading it.
    """
    header = tuple(Text(column, "bold") for column in columns)
    shown = [header, *(tuple(_shown(cell) for cell in row) for row in rows)]
    is_folded = len(shown) - 1 <= _MOST_FOLDED_ROWS and _is_terminal()
    if not is_folded:
        _write("".join(f"{line.plain}\n" for line in _lines(shown)))
    elif sum(_widths(shown)) + len(_GAP) * (len(columns) - 1) <= _console().width:
        _print(Text("\n").join(_lines(shown)))
    elif beneath:
        _print(Text("\n").join(_double_lines(shown, [name in beneath for name in columns])))
    else:
        _print_folded(columns, shown[1:])


def print_fields(fields: Mapping[str, Cell]) -> None:
    """Print the fields of one thing, one a line."""
    rows = [(Text(name, "bold"), _shown(cell)) for name, cell in fields.items()]
    _print(Text("\n").join(_padded(row, _widths(rows)) for row in rows))


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
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*row)
    _print(table)


def _lines(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """Lay out rows, of which the first is the header, in columns."""
    widths = _widths(rows)
    rule = tuple(Text("-" * width) for width in widths)
    return [_padded(row, widths) for row in (rows[0], rule, *rows[1:])]


def _double_lines(rows: Sequence[Sequence[Text]], beneath: Sequence[bool]) -> Iterator[Text]:
    """Lay out rows as `_lines` does, but put cells of columns in `beneath` on a second line."""
    first = [list(compress(row, map(not_, beneath))) for row in rows]
    second = [Text(_GAP) + Text(_GAP).join(compress(row, beneath)) for row in rows]
    header, rule, *lines = _lines(first)
    yield from (header, second[0], rule)
    for line, others in zip(lines, second[1:], strict=True):
        yield from (line, others)


def _widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]


def _padded(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell.cell_len) + _GAP)
    line.rstrip()
    return line


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _shown(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(cell))


def _console() -> Console:
    is_terminal = _is_terminal()
    return Console(force_terminal=is_terminal, width=None if is_terminal else _WIDE)


def _print(what: RenderableType) -> None:
    """Print text as it is, which a terminal wraps itself, and a table as wide as the terminal."""
    console = _console()
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, Text))
    _write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _write(text: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode
    with _standard_output():
        sys.stdout.write(text)
        sys.stdout.flush()
