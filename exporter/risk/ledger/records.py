"""The ledger of one account: its records, and the changes that are applied to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from exporter.chunked import Chunked, in_chunks, run_sync, was_full_chunk
from exporter.risk.model import EventCount, RiskEvent, RiskLevel, UserSummary


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """The record of an account, without its totals.

    `created` is when counting began. `baseline_at` is when the first summary was read, None before
    that. `resets` is the number of resets.
    """

    created: float
    baseline_at: float | None = None
    resets: int = 0


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """The record of one user, listed or not.

    - `summary`: their last row; None while they are not listed.
    - `counted_after`: events at or before this instant belong to the baseline and do not count;
      None if every event counts.
    - `last_reset`: when the last known reset happened; None if none is known.
    - `details_at`: when their details were last read; None if never.
    - `due_since`: since when a fetch of their details is due because of a change; None: they are
      up to date.
    - `stale_answers`: how often in a row the details lacked the last event of the summary.
    - `events`: the events counted so far, one entry per behavior and level.
    """

    summary: UserSummary | None = None
    counted_after: float | None = None
    last_reset: float | None = None
    details_at: float | None = None
    due_since: float | None = None
    stale_answers: int = 0
    events: tuple[EventCount, ...] = ()

    @property
    def level(self) -> RiskLevel:
        """The level in the last summary; none if not listed."""
        return RiskLevel.NONE if self.summary is None else self.summary.level


class EventMark(msgspec.Struct, frozen=True, gc=False):
    """The largest number of events of one key in one response.

    `gone_at` is when the events, or their user, disappeared from the API's responses; None while
    they are there.
    """

    count: int
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class NameRecord:
    """The meaning of an event's name.

    `behavior` is the key of the behavior with this name, or None. `identity` is the name under
    which its events were first counted. A renamed behavior keeps its identity, so that its old
    events are not counted as new ones.
    """

    behavior: str | None
    identity: str


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """An event that an observation has counted."""

    user_id: str
    behavior: str
    event: RiskEvent


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one observation. They are new values, so that applying them again is harmless.

    - `users`, `totals`, `level_changes`, `names`: only the entries that are new or different.
    - `marks`: by user, the event keys to remember; None: forget the key.
    - `renamed`: users of whom only email or name changed. They are never stored.
    - `counted`: the events that made the totals grow. They are not stored either.
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
        """Whether anything here has to be stored."""
        return any(
            (self.account, self.users, self.totals, self.level_changes, self.names, self.marks)
        )

    def then(self, later: Self) -> Self:
        """Return both changes as one. Values of `later` take precedence."""
        if not (self.must_be_stored or self.renamed or self.counted):
            return later
        marks = dict(self.marks)
        for user_id, keys in later.marks.items():
            marks[user_id] = {**marks.get(user_id, {}), **keys}
        renamed = {
            user_id: record
            for user_id, record in self.renamed.items()
            if user_id not in later.users
        }
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
    """The records of one account, without the marks of events, which only the store has.

    Only `apply` changes it. `listed` are the ids of users with a summary row; `listed_by_level`
    counts them by level. `exemplars_after` is when this process loaded the ledger: only later
    events become exemplars.
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
        """Apply `changes`, at a cost that depends only on their number."""
        run_sync(self.apply_in_steps(changes))

    def apply_in_steps(self, changes: Changes) -> Chunked[None]:
        """Apply `changes` in steps. Between two steps only some of the users are updated."""
        self.account = changes.account or self.account
        self.totals.update(changes.totals)
        self.level_changes.update(changes.level_changes)
        self.names.update(changes.names)
        for records in (changes.users, changes.renamed):
            for chunk in in_chunks(records.items()):
                for user_id, record in chunk:
                    self._put(user_id, record)
                if was_full_chunk(chunk):
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
