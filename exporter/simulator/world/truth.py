"""The ground truth of an account: what an exporter that read every response must have counted.

It follows the exporter's documented behavior, not its code. For one reader (a token):

- an event is `triggered` if it appeared after the start, `shown` once a details response with it
  was delivered completely to the reader, and `lost` if it was erased before that;
- it is `counted` if it was shown and is not part of the baseline: its user was not listed in the
  first summary delivered to the reader, or it happened after that user's last event in it;
- a reset is `counted` if it was shown to the reader and happened after the baseline;
- level changes are those from each summary of the reader to the next.

An exporter killed between a response and its commit has been shown what it cannot remember.
`first_shown` and `erased` of each event tell whether that could matter.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from exporter.simulator.world.account import Account, Baseline, ReaderView
from exporter.simulator.world.configuration import NO_LEVEL, SCORED_LEVELS
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.users import Event, User


class EventTruth(msgspec.Struct):
    """An event. Instants are Unix seconds, None if it did not happen."""

    id: str
    behavior: str
    name: str
    risk_level: str
    timestamp: float
    appeared: float
    first_shown: float | None
    erased: float | None
    initial: bool
    shown: bool
    counted: bool


class EventTotals(msgspec.Struct):
    """The numbers of events of one behavior and level."""

    behavior: str
    name: str
    risk_level: str
    standing: int = 0
    initial: int = 0
    triggered: int = 0
    shown: int = 0
    lost: int = 0
    counted: int = 0

    def add(self, event: Event, *, shown: bool, counted: bool) -> None:
        """Count an event, which is either initial or triggered."""
        self.standing += not event.erased_ns
        self.initial += event.is_initial
        self.triggered += not event.is_initial
        self.shown += shown
        self.lost += bool(event.erased_ns) and not shown
        self.counted += counted


class LevelChanges(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """The number of changes between two levels from one summary to the next."""

    before: str
    after: str
    count: int


class UserTruth(msgspec.Struct):
    """A user. `baseline_last_event` is None if the baseline did not list the user."""

    user_id: str
    email: str
    name: str
    risk_level: str
    listed: bool
    vanished: bool
    event_count: int
    last_event: float | None
    last_reset: float | None
    resets: int
    resets_counted: int
    baseline_last_event: float | None
    events: list[EventTruth]


class AccountTruth(msgspec.Struct):
    """An account as seen by one reader. `users` is None if they were not requested."""

    account_id: str
    name: str
    reader: str
    baseline: float | None
    users_by_level: dict[str, int]
    totals: list[EventTotals]
    level_changes: list[LevelChanges]
    resets: int
    resets_counted: int
    users: list[UserTruth] | None = None


class GroundTruthReport:
    """The report of the ground truth of one account for one reader."""

    def __init__(self, account: Account, *, reader: int) -> None:
        self._account = account
        self._reader = reader
        self._reader_view: ReaderView = account.reader_view(reader)

    def build(self, reader_name: str, *, with_users: bool) -> AccountTruth:
        """Return the account's ground truth; its list of users is long."""
        user_list = self._account.user_list
        return AccountTruth(
            account_id=self._account.traits.account_id,
            name=self._account.traits.name,
            reader=reader_name,
            baseline=_seconds(self._baseline.at_ns) if self._baseline else None,
            users_by_level=_users_by_level(user_list),
            totals=self._totals(user_list),
            level_changes=self._level_changes(),
            resets=sum(len(user.resets) for user in user_list),
            resets_counted=sum(self._resets_counted(user) for user in user_list),
            users=[self.build_user(user) for user in user_list] if with_users else None,
        )

    def build_user(self, user: User) -> UserTruth:
        """Return a user's ground truth."""
        last_event_ns = self._baseline and self._baseline.last_event_ns.get(user.id)
        return UserTruth(
            user_id=user.id,
            email=user.email,
            name=user.name,
            risk_level=user.level or NO_LEVEL,
            listed=user.is_listed,
            vanished=user.is_vanished,
            event_count=len(user.events),
            last_event=_seconds(user.latest.at_ns) if user.latest else None,
            last_reset=_seconds(user.last_reset.at_ns) if user.last_reset else None,
            resets=len(user.resets),
            resets_counted=self._resets_counted(user),
            baseline_last_event=_seconds(last_event_ns) if last_event_ns else None,
            events=[self._build_event(user, event) for event in (*user.erased, *user.events)],
        )

    @property
    def _baseline(self) -> Baseline | None:
        return self._reader_view.baseline

    def _is_counted(self, user: User, event: Event) -> bool:
        return (
            self._baseline is not None
            and event.was_shown_to(self._reader)
            and self._baseline.precedes(user.id, event.at_ns)
        )

    def _resets_counted(self, user: User) -> int:
        since_ns = self._baseline.at_ns if self._baseline else None
        return sum(
            since_ns is not None and reset.at_ns > since_ns and reset.was_shown_to(self._reader)
            for reset in user.resets
        )

    def _totals(self, users: Iterable[User]) -> list[EventTotals]:
        totals: dict[tuple[str, str], EventTotals] = {}
        for user in users:
            for event in (*user.erased, *user.events):
                entry = totals.setdefault(
                    (event.behavior, event.level),
                    EventTotals(event.behavior, event.name, event.level),
                )
                shown = event.was_shown_to(self._reader)
                entry.add(event, shown=shown, counted=self._is_counted(user, event))
        return [totals[key] for key in sorted(totals)]

    def _level_changes(self) -> list[LevelChanges]:
        changes = self._reader_view.level_changes
        return [LevelChanges(*key, count=changes[key]) for key in sorted(changes)]

    def _build_event(self, user: User, event: Event) -> EventTruth:
        return EventTruth(
            id=event.id,
            behavior=event.behavior,
            name=event.name,
            risk_level=event.level,
            timestamp=_seconds(event.at_ns),
            appeared=_seconds(event.appeared_ns),
            first_shown=_seconds(event.first_shown_ns) if event.first_shown_ns else None,
            erased=_seconds(event.erased_ns) if event.erased_ns else None,
            initial=event.is_initial,
            shown=event.was_shown_to(self._reader),
            counted=self._is_counted(user, event),
        )


def _users_by_level(users: Iterable[User]) -> dict[str, int]:
    found = Counter(user.level for user in users if user.is_listed and user.level is not None)
    return {level: found[level] for level in sorted({*SCORED_LEVELS, *found})}


def _seconds(at_ns: int) -> float:
    return at_ns / SECOND_NS
