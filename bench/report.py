"""Measurements as rows, and rows as a table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    `goal` is in words, empty where none is set. `baseline` is in the same unit, None where there
    is nothing to compare with; `against` says what it is.
    """

    what: str
    users: int
    value: float
    unit: str
    goal: str = ""
    baseline: float | None = None
    against: str = ""


def median_of(measure: Callable[[], float], *, runs: int) -> float:
    """The median of several runs."""
    return median(measure() for _ in range(runs))


def markdown_table(rows: Iterable[Row]) -> str:
    """One line a row; the last column says how many times less than its baseline it is."""
    lines = [
        "| what | users | measured | goal | baseline | against | factor |",
        "|---|---:|---:|---|---:|---|---:|",
    ]
    return "\n".join([*lines, *map(_line, rows)])


def _line(row: Row) -> str:
    measured = f"{_short(row.value)} {row.unit}"
    if row.baseline is None:
        return f"| {row.what} | {row.users:,} | {measured} | {row.goal} | | | |"
    factor = _short(row.baseline / row.value)
    compared = f"{_short(row.baseline)} {row.unit} | {row.against} | {factor} |"
    return f"| {row.what} | {row.users:,} | {measured} | {row.goal} | {compared}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
