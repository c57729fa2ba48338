"""Measurements as rows with goals, as Markdown tables, and in docs/benchmarks.md."""

import os
import platform
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol


class Goal(Protocol):
    """Judges the values of several runs beside their baseline, None where there is none."""

    def text(self) -> str:
        """The goal in words, short enough for a cell of a table."""
        ...

    def is_met(self, values: Sequence[float], baseline: float | None) -> bool:
        """Whether the values reach it; never without the baseline it speaks of."""
        ...


@dataclass(frozen=True, slots=True)
class AtMost:
    """The median is no more than `limit`; with `always` no single value is."""

    limit: float
    unit: str
    always: bool = False

    def text(self) -> str:
        """The limit with its unit."""
        return f"<= {self.limit:,.10g} {self.unit}"

    def is_met(self, values: Sequence[float], baseline: float | None) -> bool:  # noqa: ARG002  # a limit of its own
        """Whether the median, or every value, is within the limit."""
        return (max(values) if self.always else median(values)) <= self.limit


@dataclass(frozen=True, slots=True)
class TimesBaseline:
    """The median is at most `factor` times the baseline."""

    factor: float

    def text(self) -> str:
        """The factor."""
        return f"<= {self.factor:,.10g} x baseline"

    def is_met(self, values: Sequence[float], baseline: float | None) -> bool:
        """Whether the median is small enough beside the baseline."""
        return baseline is not None and median(values) <= self.factor * baseline


@dataclass(frozen=True, slots=True)
class TimesLess:
    """The baseline is at least `factor` times the median."""

    factor: float

    def text(self) -> str:
        """The factor."""
        return f">= {self.factor:,.10g} x less"

    def is_met(self, values: Sequence[float], baseline: float | None) -> bool:
        """Whether the baseline is far enough above the median."""
        return baseline is not None and median(values) * self.factor <= baseline


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


DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_REGION = re.compile(
    r"(?P<begin><!-- measured: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def write_region(name: str, text: str, *, document: Path = DOCUMENT) -> None:
    """Replace the region `name`, which begins with where and when it was measured.

    Raises LookupError where the document has no such region.
    """
    before = document.read_text(encoding="utf-8")
    if name not in {region["name"] for region in _REGION.finditer(before)}:
        raise LookupError(f"{document.name} has no region {name!r}")

    def fill(region: re.Match[str]) -> str:
        if region["name"] != name:
            return region[0]
        return f"{region['begin']}\n{machine_line()}\n\n{text}\n\n{region['end']}"

    document.write_text(_REGION.sub(fill, before), encoding="utf-8")


def machine_line() -> str:
    """The machine as far as it matters, without its name; how busy it was, and the day."""
    kernel = platform.release().split("-")[0]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} x {_processor()}, {memory_gb:.0f} GB, "
        f"{platform.system()} {kernel}, Python {platform.python_version()}; "
        f"load at the end {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()
