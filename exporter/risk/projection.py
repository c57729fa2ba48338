"""What of a ledger a scrape may show: which users, and under which names.

Aggregates are never touched by it; only per-user series are chosen, bounded and disguised here.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest

from exporter.risk.ledger import UserRecord
from exporter.risk.model import EventCount, RiskLevel, UserRow

PSEUDONYM_HEX_DIGITS = 32
"""Length of a pseudonym: 128 bits, so that no two users ever share one."""


class Identity(StrEnum):
    """How much of a user's identity per-user series give away."""

    FULL = "full"
    PSEUDONYM = "pseudonym"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The operator's choice of what per-user series show.

    `min_level` NONE shows no user at all; `limit` is the most users of one account.
    `pseudonym_key` is the secret of the pseudonyms.
    """

    min_level: RiskLevel
    limit: int
    identity: Identity
    pseudonym_key: bytes

    def exposed_id(self, user_id: str) -> str:
        """The id under which a user is shown."""
        if self.identity is not Identity.PSEUDONYM:
            return user_id
        message = user_id.encode("utf-8", "surrogatepass")
        return hmac.digest(self.pseudonym_key, message, "sha256").hex()[:PSEUDONYM_HEX_DIGITS]

    def admits(self, record: UserRecord) -> bool:
        """Whether a user is high enough to be shown, were there room for everybody.

        A level without a word for it may be worse than high: it is always high enough.
        """
        if record.summary is None or self.min_level is RiskLevel.NONE:
            return False
        return record.level is RiskLevel.UNKNOWN or record.level >= self.min_level


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is shown, and how many listed users are not and why."""

    shown: frozenset[str]
    withheld_by_level: int
    withheld_by_limit: int


def select_users(records: Iterable[tuple[str, UserRecord]], disclosure: Disclosure) -> Selection:
    """Choose the users to show: highest level first, then the latest event, then by id."""
    listed = [(user_id, record) for user_id, record in records if record.summary is not None]
    admitted = [(user_id, record) for user_id, record in listed if disclosure.admits(record)]
    shown = admitted
    if len(admitted) > disclosure.limit:
        shown = nlargest(disclosure.limit, admitted, key=_urgency)
    return Selection(
        shown=frozenset(user_id for user_id, _ in shown),
        withheld_by_level=len(listed) - len(admitted),
        withheld_by_limit=len(admitted) - len(shown),
    )


def user_row(
    user_id: str, record: UserRecord, events: tuple[EventCount, ...], disclosure: Disclosure
) -> UserRow | None:
    """The row to show for a user, with `events` for counters; None for one not listed."""
    if record.summary is None:
        return None
    is_named = disclosure.identity is Identity.FULL
    return UserRow(
        user_id=disclosure.exposed_id(user_id),
        email=record.summary.email if is_named else "",
        name=record.summary.name if is_named else "",
        level=record.summary.level,
        current_events=record.summary.event_count,
        last_event=record.summary.last_event,
        last_reset=record.last_reset,
        events=events,
    )


def _urgency(user: tuple[str, UserRecord]) -> tuple[bool, RiskLevel, float, str]:
    user_id, record = user
    last_event = 0.0 if record.summary is None else record.summary.last_event
    return (record.level is RiskLevel.UNKNOWN, record.level, last_event, user_id)
