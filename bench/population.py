"""Accounts of any size to measure with: plausible ids, names, levels and events; seeded."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from uuid import UUID

import msgspec

from exporter.risk.model import (
    LISTED_LEVELS,
    AccountGauges,
    AccountSnapshot,
    EventCount,
    Exemplar,
    RiskLevel,
    UserRow,
)

_BEHAVIORS = ("imp_travel", "high_dlp", "sentinel_one", "new_country", "unusual_hours")
_NOW = 1_700_000_000.0


class Population:
    """One account whose users change at random; the same for the same seed."""

    def __init__(self, size: int, *, seed: int = 1) -> None:
        self.size = size
        self._random = Random(seed)
        rows = [self._row(number) for number in range(size)]
        self._users: Mapping[str, UserRow] = {row.user_id: row for row in rows}
        self._user_ids = list(self._users)
        self._gauges = AccountGauges(Counter(row.level for row in rows))

    def snapshot(self) -> AccountSnapshot:
        """The account now."""
        return AccountSnapshot("acme", "1", True, self._gauges, self._users)

    def change(self, count: int) -> list[str]:
        """One more event for `count` users scattered over all; who they are."""
        chosen = self._random.sample(self._user_ids, count)
        changed = {user_id: self._with_event(self._users[user_id]) for user_id in chosen}
        self._users = {**self._users, **changed}
        return chosen

    def _row(self, number: int) -> UserRow:
        behaviors = self._random.sample(_BEHAVIORS, self._random.choice((1, 1, 2)))
        return UserRow(
            user_id=self._uuid(),
            email=f"first{number % 997}.last{number}@example.com",
            name=f"First{number % 997} Last{number % 1009}",
            level=self._level(),
            current_events=self._random.randint(1, 20),
            last_event=self._instant(),
            last_reset=self._instant() if self._random.random() < 0.1 else None,
            events=tuple(self._event_count(behavior) for behavior in behaviors),
        )

    def _with_event(self, row: UserRow) -> UserRow:
        first, *others = row.events
        exemplar = Exemplar(self._uuid(), row.last_event + 60)
        grown = msgspec.structs.replace(first, count=first.count + 1, exemplar=exemplar)
        return msgspec.structs.replace(
            row,
            current_events=row.current_events + 1,
            last_event=exemplar.timestamp,
            events=(grown, *others),
        )

    def _event_count(self, behavior: str) -> EventCount:
        exemplar = Exemplar(self._uuid(), self._instant())
        return EventCount(behavior, self._level(), self._random.randint(1, 9), _NOW, exemplar)

    def _level(self) -> RiskLevel:
        return self._random.choice(LISTED_LEVELS)

    def _instant(self) -> float:
        return round(_NOW + self._random.random() * 1e7, 6)

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128)))
