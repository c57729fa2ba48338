"""Tables and fields for people. No cell is interpreted as markup."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import not_

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.cli.output import is_terminal, printable, rfc3339, write_output
from exporter.risk.model import RiskLevel

Cell = str | Text

_PIPE_WIDTH = 100_000
"""Columns of a pipe: programs that read it need whole lines."""

_MOST_FOLDED_ROWS = 1_000
"""About as many rows as rich lays out in half a second."""

_GAP = "  "

_STYLES = {
    RiskLevel.UNKNOWN: "magenta",
    RiskLevel.LOW: "green",
    RiskLevel.MEDIUM: "yellow",
    RiskLevel.HIGH: "bold red",
}


def instant_cell(seconds: float | None) -> str:
    """Return an instant in whole seconds; empty if there is none."""
    return "" if seconds is None else rfc3339(float(int(seconds)))


def level_cell(level: RiskLevel) -> Text:
    """Return the label of a level in its colour."""
    return Text(level.label, _STYLES.get(level, ""))


def yes_or_no(*, value: bool) -> str:
    """Return `yes` or `no`."""
    return "yes" if value else "no"


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, beneath: Collection[str] = ()
) -> None:
    """Print rows under the names of their columns.

    On a terminal that is too narrow, the columns named in `beneath` move to a second line of each
    row. If none is named, long cells are folded, except in the first column, which holds the id.
    Lines are not folded in a pipe, or in a table so long that folding it would take seconds.
    """
    header = tuple(Text(column, "bold") for column in columns)
    shown = [header, *(tuple(_text(cell) for cell in row) for row in rows)]
    is_folded = len(shown) - 1 <= _MOST_FOLDED_ROWS and is_terminal()
    if not is_folded:
        write_output("".join(f"{line.plain}\n" for line in _lines(shown)))
    elif sum(_widths(shown)) + len(_GAP) * (len(columns) - 1) <= _console().width:
        _print(Text("\n").join(_lines(shown)))
    elif beneath:
        _print(Text("\n").join(_double_lines(shown, [name in beneath for name in columns])))
    else:
        _print_folded(columns, shown[1:])


def print_fields(fields: Mapping[str, Cell]) -> None:
    """Print the fields of one object, one a line."""
    rows = [(Text(name, "bold"), _text(cell)) for name, cell in fields.items()]
    _print(Text("\n").join(_padded(row, _widths(rows)) for row in rows))


def _print_folded(columns: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*row)
    _print(table)


def _lines(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """Lay out rows in columns; the first row is the header."""
    widths = _widths(rows)
    rule = tuple(Text("-" * width) for width in widths)
    return [_padded(row, widths) for row in (rows[0], rule, *rows[1:])]


def _double_lines(rows: Sequence[Sequence[Text]], beneath: Sequence[bool]) -> Iterator[Text]:
    """Lay out rows as `_lines` does, with the cells of columns in `beneath` on a second line."""
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


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(printable(cell))


def _console() -> Console:
    return Console(force_terminal=is_terminal(), width=None if is_terminal() else _PIPE_WIDTH)


def _print(what: RenderableType) -> None:
    """Print text, which a terminal wraps itself, or a table as wide as the terminal."""
    console = _console()
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, Text))
    write_output("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
