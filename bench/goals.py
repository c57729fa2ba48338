"""What a measurement has to reach, and whether it did."""

from collections.abc import Sequence
from dataclasses import dataclass
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
