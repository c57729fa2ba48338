"""The values of risk scoring: users, events, levels, behaviors and snapshots.

All values are frozen, and the collections in them are never changed. Instants are Unix seconds.
Values that exist once per user are msgspec structs, because one poll builds a hundred thousand of
them. With `gc=False` the garbage collector does not visit them; a collection would otherwise block
the event loop for tens of milliseconds. The other values are dataclasses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeAlias

import msgspec


class RiskLevel(IntEnum):
    """How risky; the number is what gauges show, and levels are ordered by it.

    `NONE` is a user the summary does not list. `UNKNOWN` is a level that this version does not
    know. It is above `HIGH`, because it may be worse.
    """

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    UNKNOWN = 4

    @property
    def label(self) -> str:
        """The level as a label value, as the API spells it."""
        return self.name.lower()

    @property
    def severity(self) -> int:
        """The level's place in an order of urgency: the highest is the most urgent."""
        return self.value


LISTED_LEVELS = (RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH)
"""The levels an event, a behavior or a listed user can have."""

KNOWN_LEVELS = (RiskLevel.NONE, *LISTED_LEVELS)
"""The levels a user moves between."""


class UserSummary(msgspec.Struct, frozen=True, gc=False):
    """One row of the summary: a user who has a risk level now."""

    user_id: str
    email: str
    name: str
    event_count: int
    last_event: float
    level: RiskLevel


class RiskEvent(msgspec.Struct, frozen=True, gc=False):
    """One risk event of a user. It is open whether `id` is unique to it."""

    id: str
    name: str
    level: RiskLevel
    timestamp: float


class UserDetails(msgspec.Struct, frozen=True):
    """What the API says of one user: all their current events, in the API's order.

    `last_reset` is None where the score was never cleared; `level` where the API gave none.
    `unreadable_events` are left out of `events`, because they could not be understood.
    """

    email: str
    name: str
    events: tuple[RiskEvent, ...]
    last_reset: float | None = None
    level: RiskLevel | None = None
    unreadable_events: int = 0


KnownRows: TypeAlias = dict[int, UserSummary]
"""Rows of earlier summaries by the fingerprint of their bytes, which is Python's hash of 64 bits."""


@dataclass(frozen=True, slots=True)
class SummaryReading:
    """A whole summary, or a slice of one.

    `users` has at most one row per user. `unreadable` counts the rows that could not be read;
    `kept` are the users among them whose id could be read. If there are more unreadable rows than
    such users, no user's absence proves a departure. `recalled` are rows that were not decoded,
    because their bytes are those of a known row. `fingerprints` are those of `users`, row by row;
    empty where rows were not read one by one.
    """

    users: tuple[UserSummary, ...]
    unreadable: int = 0
    kept: frozenset[str] = frozenset()
    recalled: Sequence[UserSummary] = ()
    fingerprints: Sequence[int] = ()

    @property
    def readable(self) -> int:
        """How many rows could be read."""
        return len(self.users) + len(self.recalled)

    @property
    def absence_is_proof(self) -> bool:
        """Whether a user who is neither in `users` nor in `kept` is truly not listed."""
        return self.unreadable == len(self.kept)


@dataclass(frozen=True, slots=True)
class Behavior:
    """One configured behavior; `key` is its place in the API's map."""

    key: str
    name: str
    description: str
    enabled: bool
    level: RiskLevel


@dataclass(frozen=True, slots=True)
class BehaviorChange:
    """What to set of one behavior; the API wants both."""

    enabled: bool
    level: RiskLevel


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration that receives risk levels, such as an Okta tenant."""

    integration_id: str
    integration_type: str
    tenant_url: str
    reference_id: str
    active: bool
    created_at: float
    account_tag: str = ""
    well_known_url: str = ""


# What a scrape shows ------------------------------------------------------------------------


class Exemplar(msgspec.Struct, frozen=True, gc=False):
    """The newest event behind a counter: its id and when it happened."""

    event_id: str
    timestamp: float


class EventCount(msgspec.Struct, frozen=True, gc=False):
    """How many events of one behavior and level were counted, and since when counting goes on."""

    behavior: str
    level: RiskLevel
    count: int
    created: float
    exemplar: Exemplar | None = None


class UserRow(msgspec.Struct, frozen=True, gc=False):
    """What the series of one user show; `user_id` is already what may be shown."""

    user_id: str
    email: str
    name: str
    level: RiskLevel
    current_events: int
    last_event: float
    last_reset: float | None
    events: tuple[EventCount, ...]


@dataclass(frozen=True, slots=True)
class AccountGauges:
    """The part of an account's snapshot that is true only as of its last good poll."""

    users_by_level: Mapping[RiskLevel, int]
    behaviors: tuple[Behavior, ...] = ()
    integrations: tuple[Integration, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """All that a scrape shows of one account.

    `gauges` is None before the first good poll and once the data are too old to be shown; then
    `users` is empty. Counters are always there. `users` keys are the API's own user ids. Where a
    snapshot is published as changes, only those who changed need to be among them.
    """

    account: str
    account_id: str
    up: bool = False
    gauges: AccountGauges | None = None
    users: Mapping[str, UserRow] = field(default_factory=dict)
    identity_shown: bool = True
    created: float = 0.0
    events: tuple[EventCount, ...] = ()
    level_changes: Mapping[tuple[RiskLevel, RiskLevel], int] = field(default_factory=dict)
    resets: int = 0


class Identity(StrEnum):
    """How much of a user's identity per-user series disclose."""

    FULL = "full"
    PSEUDONYM = "pseudonym"
    NONE = "none"
