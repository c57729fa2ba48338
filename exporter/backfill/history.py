"""The events of one account as counters that grow along a timeline.

The ledger counts and names the events, so that behaviors have the same names as on `/metrics`
and two equal events count twice in both places.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Self

from exporter.errors import ConfigurationError
from exporter.risk.ledger import (
    AccountRecord,
    CountedEvent,
    Ledger,
    SummaryFold,
    observe_behaviors,
    observe_details,
)
from exporter.risk.model import Behavior, RiskLevel, SummaryReading, UserDetails
from exporter.risk.projection import Disclosure
from exporter.risk.selection import Selection

LONGEST_STEP_SECONDS = 300
"""Prometheus shows a series for five minutes after a sample, so a longer step leaves gaps.
https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness"""

Increments = Mapping[int, int]
"""The increments of a counter, by the first position of the timeline that includes them."""

_Key = tuple[str, RiskLevel]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The positions 0 to `last_position`, `step` apart, beginning at `start`; whole Unix seconds.

    The last position is one second before `end`, whatever its distance from the position before.
    At `end` every counter falls to zero, which is where the counters of the live exporter start.
    """

    start: int
    end: int
    step: int

    @classmethod
    def between(cls, since: float, until: float, *, step: float) -> Self:
        """Return the timeline from `since` to `until`, rounded down to whole seconds.

        Raises ConfigurationError if the step is not whole seconds between 1 and
        `LONGEST_STEP_SECONDS`, or not shorter than the time between.
        """
        if not step.is_integer() or not 1 <= step <= LONGEST_STEP_SECONDS:
            raise ConfigurationError("--step: must be whole seconds, from 1s to 5m")
        timeline = cls(floor(since), floor(until), int(step))
        if timeline.end - timeline.start <= timeline.step:
            raise ConfigurationError("--since: must be more than one step before --until")
        return timeline

    @property
    def last_position(self) -> int:
        """The position at which every event is counted."""
        return ceil((self.end - 1 - self.start) / self.step)

    def position_of(self, timestamp: float) -> int | None:
        """Return the first position that includes an event of this time; None if outside.

        An event at `start` is outside; the last second belongs to the last position.
        """
        if not self.start < timestamp <= self.end:
            return None
        return min(ceil((timestamp - self.start) / self.step), self.last_position)

    def instant(self, position: int) -> int:
        """Return the time of a position in Unix seconds."""
        return min(self.start + position * self.step, self.end - 1)


@dataclass(frozen=True, slots=True)
class CounterHistory:
    """One counter: the values of its labels after `account`, and its increments."""

    labels: tuple[str, ...]
    increments: Increments


@dataclass(frozen=True, slots=True)
class AccountHistory:
    """The counters of one account that grew; `user_events` covers the exposed users."""

    account: str
    events: tuple[CounterHistory, ...]
    user_events: tuple[CounterHistory, ...]


class HistoryBuilder:
    """Builds an account's history from behaviors and summary, added first, and user details.

    There is no baseline: each event within the timeline counts.
    """

    def __init__(self, account: str, timeline: Timeline) -> None:
        self._account = account
        self._timeline = timeline
        self._now = float(timeline.end)
        self._ledger = Ledger(AccountRecord(created=self._now, baseline_at=0.0))
        self._increments: defaultdict[str, defaultdict[_Key, Counter[int]]] = defaultdict(
            lambda: defaultdict(Counter)
        )

    def add_behaviors(self, behaviors: Iterable[Behavior]) -> None:
        """Add the behaviors that give events their names."""
        self._ledger.apply(observe_behaviors(self._ledger, behaviors, now=self._now))

    def add_summary(self, reading: SummaryReading) -> tuple[str, ...]:
        """Add the listed users, and return their ids, including those of unreadable rows."""
        fold = SummaryFold(self._ledger, now=self._now)
        fold.add(reading)
        self._ledger.apply(fold.finish())
        return (*self._ledger.users, *sorted(reading.kept - self._ledger.users.keys()))

    def add_user(self, user_id: str, details: UserDetails) -> None:
        """Count the events of a user, who is added once."""
        changes = observe_details(self._ledger, user_id, details, {}, now=self._now)
        self._ledger.apply(changes)
        for counted in changes.counted:
            self._add_event(counted)

    def finish(self, disclosure: Disclosure) -> AccountHistory:
        """Return the counters that grew, ordered by their labels."""
        selection = Selection(self._ledger, disclosure)
        selection.update((), now=self._now)
        exposed = sorted((disclosure.exposed_id(user_id), user_id) for user_id in selection.shown)
        return AccountHistory(
            account=self._account,
            events=tuple(_histories(self._totals())),
            user_events=tuple(
                history
                for exposed_id, user_id in exposed
                for history in _histories(self._increments.get(user_id, {}), exposed_id)
            ),
        )

    def _add_event(self, counted: CountedEvent) -> None:
        position = self._timeline.position_of(counted.event.timestamp)
        if position is not None:
            key = (counted.behavior, counted.event.level)
            self._increments[counted.user_id][key][position] += 1

    def _totals(self) -> Mapping[_Key, Increments]:
        totals: defaultdict[_Key, Counter[int]] = defaultdict(Counter)
        for user_increments in self._increments.values():
            for key, increments in user_increments.items():
                totals[key].update(increments)
        return totals


def _histories(counters: Mapping[_Key, Increments], *prefix: str) -> Iterator[CounterHistory]:
    for behavior, level in sorted(counters):
        yield CounterHistory((*prefix, behavior, level.label), counters[behavior, level])
