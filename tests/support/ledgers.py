"""Short words for histories of one account, and a ledger that is told them.

Instants are small numbers of seconds; what a story does not care about has a default.
"""

from exporter.risk.ledger import (
    AccountRecord,
    Changes,
    EventMark,
    Ledger,
    SummaryFold,
    UserRecord,
    observe_behaviors,
    observe_details,
    observe_missing,
)
from exporter.risk.model import (
    Behavior,
    RiskEvent,
    RiskLevel,
    SummaryReading,
    UserDetails,
    UserSummary,
)

LOW, MEDIUM, HIGH = RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH
NONE = RiskLevel.NONE
DAY = 86_400.0


def row(
    user_id: str,
    last_event: float,
    *,
    count: int = 1,
    level: RiskLevel = LOW,
    email: str = "ann@example.com",
    name: str = "Ann",
) -> UserSummary:
    """A row of the summary."""
    return UserSummary(user_id, email, name, count, last_event, level)


def event(
    timestamp: float,
    *,
    id: str = "e",  # noqa: A002 - the API's own word
    name: str = "Impossible travel",
    level: RiskLevel = LOW,
) -> RiskEvent:
    """An event; where only the timestamp differs, it is another event."""
    return RiskEvent(id, name, level, timestamp)


def behavior(key: str, name: str, *, level: RiskLevel = LOW) -> Behavior:
    """A configured behavior."""
    return Behavior(key=key, name=name, description="", enabled=True, level=level)


class Account:
    """A ledger that is told what the API answered; every change is applied at once.

    Remembers the event marks as a store would.
    """

    def __init__(self) -> None:
        self.ledger = Ledger(AccountRecord(created=0.0))
        self.marks: dict[str, dict[bytes, EventMark]] = {}

    def summary(
        self,
        *rows: UserSummary,
        now: float,
        unreadable: int = 0,
        kept: frozenset[str] = frozenset(),
    ) -> Changes:
        """A whole summary in one slice."""
        return self.summary_in_slices(SummaryReading(rows, unreadable, kept), now=now)

    def summary_in_slices(self, *slices: SummaryReading, now: float) -> Changes:
        """A whole summary in several slices."""
        fold = SummaryFold(self.ledger, now=now)
        for one in slices:
            fold.add(one)
        return self.apply(fold.finish())

    def details(
        self, user_id: str, *events: RiskEvent, now: float, last_reset: float | None = None
    ) -> Changes:
        """A user's details."""
        details = UserDetails("ann@example.com", "Ann", events, last_reset)
        marks = self.marks.get(user_id, {})
        return self.apply(observe_details(self.ledger, user_id, details, marks, now=now))

    def missing(self, user_id: str, *, now: float) -> Changes:
        """A 404 for a user's details."""
        marks = self.marks.get(user_id, {})
        return self.apply(observe_missing(self.ledger, user_id, marks, now=now))

    def behaviors(self, *behaviors: Behavior, now: float) -> Changes:
        """A reading of the configured behaviors."""
        return self.apply(observe_behaviors(self.ledger, behaviors, now=now))

    def apply(self, changes: Changes) -> Changes:
        """Move on, the marks included."""
        self.ledger.apply(changes)
        for user_id, moved in changes.marks.items():
            kept = self.marks.setdefault(user_id, {})
            for key, mark in moved.items():
                if mark is None:
                    kept.pop(key, None)
                else:
                    kept[key] = mark
        return changes

    def user(self, user_id: str) -> UserRecord:
        """What is remembered of a user."""
        return self.ledger.users[user_id]

    @property
    def resets(self) -> int:
        """How many resets were counted."""
        return self.ledger.account.resets

    def counts(self) -> dict[tuple[str, RiskLevel], int]:
        """The account's counters that are above zero."""
        return {pair: entry.count for pair, entry in self.ledger.totals.items() if entry.count}

    def total(self) -> int:
        """How many events were counted."""
        return sum(entry.count for entry in self.ledger.totals.values())

    def total_of(self, user_id: str) -> int:
        """How many events of one user were counted."""
        return sum(entry.count for entry in self.user(user_id).events)


def started(*rows: UserSummary, now: float = 1000.0) -> Account:
    """An account whose baseline was these users."""
    account = Account()
    account.summary(*rows, now=now)
    return account
