"""What of a ledger a scrape may show: which users, and under which names.

Aggregates are never touched by it; only per-user series are chosen, bounded and disguised here.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest

from exporter.risk.ledger import Ledger, UserRecord
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

    def admits(self, level: RiskLevel) -> bool:
        """Whether users of this level are shown, were there room for everybody."""
        if level is RiskLevel.NONE or self.min_level is RiskLevel.NONE:
            return False
        return level.severity >= self.min_level.severity


class Selection:
    """Which listed users of one account are shown, kept up to date as they change.

    `withheld_by_level` and `withheld_by_limit` are how many listed users are not shown, and why.
    """

    def __init__(self, disclosure: Disclosure) -> None:
        self.shown: set[str] = set()
        self.withheld_by_level = 0
        self.withheld_by_limit = 0
        self._disclosure = disclosure

    def update(self, ledger: Ledger, changed: Iterable[str]) -> set[str]:
        """Choose anew after `changed` users moved; who is shown now and was not, or the reverse.

        With more users than the limit: highest level first, then the latest event, then by id.
        """
        admitted = sum(
            count for level, count in ledger.levels.items() if self._disclosure.admits(level)
        )
        self.withheld_by_level = ledger.levels.total() - admitted
        had_room = self.withheld_by_limit == 0
        self.withheld_by_limit = max(admitted - self._disclosure.limit, 0)
        if had_room and self.withheld_by_limit == 0:
            moved = {user_id for user_id in changed if self._has_moved(user_id, ledger)}
        else:
            moved = self.shown ^ self._most_urgent(ledger)
        self.shown ^= moved
        return moved

    def clear(self) -> set[str]:
        """Show nobody; who was shown until now."""
        gone, self.shown = self.shown, set()
        self.withheld_by_level = self.withheld_by_limit = 0
        return gone

    def _has_moved(self, user_id: str, ledger: Ledger) -> bool:
        level = ledger.users[user_id].level
        return self._disclosure.admits(level) != (user_id in self.shown)

    def _most_urgent(self, ledger: Ledger) -> set[str]:
        users = ledger.users
        admitted = (
            user_id for user_id in ledger.listed if self._disclosure.admits(users[user_id].level)
        )
        return set(
            nlargest(
                self._disclosure.limit,
                admitted,
                key=lambda user_id: (*_urgency(users[user_id]), user_id),
            )
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


def _urgency(record: UserRecord) -> tuple[int, float]:
    last_event = 0.0 if record.summary is None else record.summary.last_event
    return (record.level.severity, last_event)
