"""At which instants a past is sampled."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Self

from exporter.errors import ConfigurationError

LONGEST_STEP_SECONDS = 300
"""Prometheus shows a series for five minutes after a sample, so a longer step would leave gaps.
https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness"""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The positions 0 to `last_position`, from `start` on, `step` apart; whole Unix seconds.

    The last position is a second before `end`, however near it is to the one before. The second
    in between is where counters are handed over: at `end` they are at zero again.
    """

    start: int
    end: int
    step: int

    @classmethod
    def between(cls, since: float, until: float, *, step: float) -> Self:
        """The timeline from `since` to `until`, fractions of their seconds left out.

        Raises ConfigurationError where the step is none Prometheus could show, or longer than
        the time between.
        """
        if not step.is_integer() or not 1 <= step <= LONGEST_STEP_SECONDS:
            raise ConfigurationError("--step: must be whole seconds, from 1s to 5m")
        timeline = cls(floor(since), floor(until), int(step))
        if timeline.end - timeline.start <= timeline.step:
            raise ConfigurationError("--since: must be more than one step before --until")
        return timeline

    @property
    def last_position(self) -> int:
        """The position where all events have been counted."""
        return ceil((self.end - 1 - self.start) / self.step)

    def position_of(self, timestamp: float) -> int | None:
        """The first position that has seen an event of this instant; None: it is not in here.

        What happened at `start` is before it. The last second belongs to the last position.
        """
        if not self.start < timestamp <= self.end:
            return None
        return min(ceil((timestamp - self.start) / self.step), self.last_position)

    def instant(self, position: int) -> int:
        """When a position is, in Unix seconds."""
        return min(self.start + position * self.step, self.end - 1)
