"""The ledger of one account, and the changes that move it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from exporter.risk.ledger.records import (
    AccountRecord,
    CountedEvent,
    EventMark,
    NameRecord,
    UserRecord,
)
from exporter.risk.model import EventCount, RiskLevel
from exporter.steps import Steps, at_once, in_slices, may_go_on


@dataclass(frozen=True, slots=True)
class Changes:
    """What one observation changes: new values, not differences, so that applying twice is once.

    - `users`, `totals`, `level_changes`, `names`: only the entries that are new or different.
    - `marks`: by user, the event keys to remember; None: forget the key.
    - `renamed`: users of whom only email or name changed. These are never stored.
    - `counted`: the events that made the totals grow. Not stored either.
    """

    account: AccountRecord | None = None
    users: Mapping[str, UserRecord] = field(default_factory=dict)
    totals: Mapping[tuple[str, RiskLevel], EventCount] = field(default_factory=dict)
    level_changes: Mapping[tuple[RiskLevel, RiskLevel], int] = field(default_factory=dict)
    names: Mapping[str, NameRecord] = field(default_factory=dict)
    marks: Mapping[str, Mapping[bytes, EventMark | None]] = field(default_factory=dict)
    renamed: Mapping[str, UserRecord] = field(default_factory=dict)
    counted: tuple[CountedEvent, ...] = ()

    @property
    def must_be_stored(self) -> bool:
        """Whether anything here has to survive the process."""
        return any(
            (self.account, self.users, self.totals, self.level_changes, self.names, self.marks)
        )

    def then(self, later: Self) -> Self:
        """Both changes as one; where they speak of the same thing, `later` is right."""
        if not (self.must_be_stored or self.renamed or self.counted):
            return later
        marks = dict(self.marks)
        for user_id, keys in later.marks.items():
            marks[user_id] = {**marks.get(user_id, {}), **keys}
        renamed = {who: record for who, record in self.renamed.items() if who not in later.users}
        return type(self)(
            account=later.account or self.account,
            users={**self.users, **later.users},
            totals={**self.totals, **later.totals},
            level_changes={**self.level_changes, **later.level_changes},
            names={**self.names, **later.names},
            marks=marks,
            renamed={**renamed, **later.renamed},
            counted=self.counted + later.counted,
        )


class Ledger:
    """All that is remembered of one account, save the marks of events, which a store keeps.

    Written to by `apply` alone. `listed` are the ids of users with a summary row,
    `listed_by_level` is how many of them have each level. `exemplars_after` is when this process
    loaded the ledger: exemplars are of later events alone.
    """

    def __init__(self, account: AccountRecord) -> None:
        self.account = account
        self.exemplars_after = 0.0
        self.users: dict[str, UserRecord] = {}
        self.totals: dict[tuple[str, RiskLevel], EventCount] = {}
        self.level_changes: dict[tuple[RiskLevel, RiskLevel], int] = {}
        self.names: dict[str, NameRecord] = {}
        self.listed: set[str] = set()
        self.listed_by_level: dict[RiskLevel, int] = dict.fromkeys(RiskLevel, 0)

    def apply(self, changes: Changes) -> None:
        """Move on by `changes`, at a cost that grows with their number alone."""
        at_once(self.apply_in_steps(changes))

    def apply_in_steps(self, changes: Changes) -> Steps[None]:
        """Move on likewise; between two steps only some of the users have moved."""
        self.account = changes.account or self.account
        self.totals.update(changes.totals)
        self.level_changes.update(changes.level_changes)
        self.names.update(changes.names)
        for records in (changes.users, changes.renamed):
            for some in in_slices(records.items()):
                for user_id, record in some:
                    self._put(user_id, record)
                if may_go_on(some):
                    yield

    def _put(self, user_id: str, record: UserRecord) -> None:
        before = self.users.get(user_id)
        if before is not None and before.summary is not None:
            self.listed_by_level[before.summary.level] -= 1
        if record.summary is None:
            self.listed.discard(user_id)
        else:
            self.listed.add(user_id)
            self.listed_by_level[record.summary.level] += 1
        self.users[user_id] = record
