"""Disclosure: the ids, names and minimum level of users in per-user series."""

import hmac
from dataclasses import dataclass

from exporter.risk.ledger import UserRecord
from exporter.risk.model import EventCount, Identity, RiskLevel, UserRow

PSEUDONYM_HEX_DIGITS = 32
"""Length of a pseudonym: 128 bits, so that two users practically never share one."""


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
        """Return the id under which a user is exposed."""
        if self.identity is not Identity.PSEUDONYM:
            return user_id
        message = user_id.encode("utf-8", "surrogatepass")
        return hmac.digest(self.pseudonym_key, message, "sha256").hex()[:PSEUDONYM_HEX_DIGITS]

    def admits(self, level: RiskLevel) -> bool:
        """Whether users of this level are exposed, the limit aside."""
        if level is RiskLevel.NONE or self.min_level is RiskLevel.NONE:
            return False
        return level.severity >= self.min_level.severity


def user_row(
    user_id: str, record: UserRecord, events: tuple[EventCount, ...], disclosure: Disclosure
) -> UserRow | None:
    """Return the row that exposes a user, with `events` for counters; None if not listed."""
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
