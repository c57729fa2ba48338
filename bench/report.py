"""Measurements as rows, and rows as a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bench.goals import Goal

GOAL_USERS = 100_000
"""Goals are set for this many users, and judged there alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured at one number of users.

    `values` has one value for each run, at least one. `baseline` is a median in the same unit,
    None where there is nothing to compare with; `against` says what it is.
    """

    what: str
    users: int
    values: tuple[float, ...]
    unit: str
    goal: Goal | None = None
    baseline: float | None = None
    against: str = ""

    @property
    def median(self) -> float:
        """The value that stands for all runs."""
        return median(self.values)


def markdown_table(rows: Iterable[Row]) -> str:
    """One line a row; `ratio` says how the median stands to the baseline."""
    lines = [
        "| what | users | goal | median | min to max | baseline | against | ratio | met |",
        "|---|---:|---|---:|---:|---:|---|---:|---|",
    ]
    return "\n".join([*lines, *map(_line, rows)])


def short(value: float) -> str:
    """A number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(row: Row) -> str:
    goal = row.goal if row.users == GOAL_USERS else None
    cells = (
        row.what,
        f"{row.users:,}",
        "" if goal is None else goal.text(),
        f"{short(row.median)} {row.unit}".strip(),
        _range(row.values),
        "" if row.baseline is None else f"{short(row.baseline)} {row.unit}".strip(),
        row.against,
        "" if row.baseline is None else _ratio(row.median, row.baseline),
        "" if goal is None else _verdict(goal, row),
    )
    return f"| {' | '.join(cells)} |"


def _range(values: tuple[float, ...]) -> str:
    if len(values) == 1:
        return ""
    return f"{short(min(values))} to {short(max(values))}"


def _ratio(value: float, baseline: float) -> str:
    if value <= 0 or baseline <= 0:
        return ""
    if value <= baseline:
        return f"{short(baseline / value)} x less"
    return f"{short(value / baseline)} x more"


def _verdict(goal: Goal, row: Row) -> str:
    return "yes" if goal.is_met(row.values, row.baseline) else "**no**"
