"""How urgent a user's details are, as a value that orders users. Pure."""

from enum import IntEnum
from typing import Self

import msgspec

from exporter.polling.priority import Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel


class Want(IntEnum):
    """Why a user's details are wanted: something changed, they were never read, they grew old."""

    CHANGED = 0
    UNREAD = 1
    AGED = 2

    @property
    def label(self) -> str:
        """The value of the `reason` label of `pending_users`."""
        return ("changed", "never_read", "refresh")[self]


class Rank(msgspec.Struct, frozen=True, order=True, gc=False):
    """How urgent a user's details are; the smallest goes first.

    `mildness` and `staleness` grow as level and instant fall.
    """

    priority: Priority
    want: Want
    mildness: int
    staleness: float

    @classmethod
    def of(cls, want: Want, level: RiskLevel, *, last_event: float) -> Self:
        """The rank of a user of this level: those at high risk, or maybe worse, are urgent."""
        if level.severity >= RiskLevel.HIGH.severity:
            priority = Priority.URGENT_DETAILS
        elif want is Want.CHANGED:
            priority = Priority.CHANGED_DETAILS
        else:
            priority = Priority.RELAXED_DETAILS
        return cls(priority, want, -level.severity, -last_event)

    @classmethod
    def aged(cls, found_at: float) -> Self:
        """The rank of a user found too old at that instant: whoever was first goes first."""
        return cls(Priority.RELAXED_DETAILS, Want.AGED, 0, found_at)


def rank_of(record: UserRecord, *, aged_at: float | None = None) -> Rank | None:
    """How urgent a user's details are, who was found too old at `aged_at`; None: not wanted.

    Of a user who is not listed only a change is of interest.
    """
    if record.due_since is None and record.summary is None:
        return None
    last_event = 0.0 if record.summary is None else record.summary.last_event
    if record.due_since is not None:
        return Rank.of(Want.CHANGED, record.level, last_event=last_event)
    if record.details_at is None:
        return Rank.of(Want.UNREAD, record.level, last_event=last_event)
    return None if aged_at is None else Rank.aged(aged_at)
