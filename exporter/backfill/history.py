"""What the API still holds of one account's events, as counters by position on a timeline.

The ledger counts and names the events, so that a behavior is called here what it is called on
`/metrics`, and two events alike are two here as there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exporter.backfill.points import Rises
from exporter.backfill.timeline import Timeline
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

_Key = tuple[str, RiskLevel]


@dataclass(frozen=True, slots=True)
class CounterHistory:
    """One counter that grew: the values of its labels after `account`, and where it grew."""

    labels: tuple[str, ...]
    rises: Rises


@dataclass(frozen=True, slots=True)
class AccountHistory:
    """The counters of one account that grew; `user_events` of those users who may be shown."""

    account: str
    events: tuple[CounterHistory, ...]
    user_events: tuple[CounterHistory, ...]


class HistoryReader:
    """Takes in what the API says of one account: behaviors and summary first, then users.

    Nothing of it is a baseline: every event counts, where it happened within the timeline.
    """

    def __init__(self, account: str, timeline: Timeline) -> None:
        self._account = account
        self._timeline = timeline
        self._now = float(timeline.end)
        self._ledger = Ledger(AccountRecord(created=self._now, baseline_at=0.0))
        self._rises: defaultdict[str, defaultdict[_Key, Counter[int]]] = defaultdict(
            lambda: defaultdict(Counter)
        )

    def learn_behaviors(self, behaviors: Iterable[Behavior]) -> None:
        """Learn what events' names mean."""
        self._ledger.apply(observe_behaviors(self._ledger, behaviors, now=self._now))

    def learn_summary(self, reading: SummaryReading) -> tuple[str, ...]:
        """Learn who is listed; return them, those named by unreadable rows included."""
        fold = SummaryFold(self._ledger, now=self._now)
        fold.add(reading)
        self._ledger.apply(fold.finish())
        return (*self._ledger.users, *sorted(reading.kept - self._ledger.users.keys()))

    def learn_user(self, user_id: str, details: UserDetails) -> None:
        """Count a user's events; a user is learnt once."""
        changes = observe_details(self._ledger, user_id, details, {}, now=self._now)
        self._ledger.apply(changes)
        for counted in changes.counted:
            self._note(counted)

    def finish(self, disclosure: Disclosure) -> AccountHistory:
        """The counters that grew, ordered by their labels."""
        selection = Selection(self._ledger, disclosure)
        selection.update((), now=self._now)
        shown = sorted((disclosure.exposed_id(user_id), user_id) for user_id in selection.shown)
        return AccountHistory(
            account=self._account,
            events=tuple(_histories(self._totals())),
            user_events=tuple(
                history
                for exposed_id, user_id in shown
                for history in _histories(self._rises.get(user_id, {}), exposed_id)
            ),
        )

    def _note(self, counted: CountedEvent) -> None:
        position = self._timeline.position_of(counted.event.timestamp)
        if position is not None:
            self._rises[counted.user_id][counted.behavior, counted.event.level][position] += 1

    def _totals(self) -> Mapping[_Key, Rises]:
        totals: defaultdict[_Key, Counter[int]] = defaultdict(Counter)
        for rises_of_user in self._rises.values():
            for key, rises in rises_of_user.items():
                totals[key].update(rises)
        return totals


def _histories(rises: Mapping[_Key, Rises], *before: str) -> Iterator[CounterHistory]:
    for behavior, level in sorted(rises):
        yield CounterHistory((*before, behavior, level.label), rises[behavior, level])
