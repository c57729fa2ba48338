"""The selection against one that looks at everybody each time."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.risk.ledger import AccountRecord, Changes, Ledger, UserRecord
from exporter.risk.model import Identity, RiskLevel, UserSummary
from exporter.risk.projection import Disclosure
from exporter.risk.selection import HELD_SECONDS, Selection

USERS = "abcdefghij"
Key = tuple[int, bool, float, str]


class Naive:
    """The rules of `Selection`, told with `min` and `max` over all users."""

    def __init__(self, ledger: Ledger, disclosure: Disclosure) -> None:
        self.shown: set[str] = set()
        self._ledger = ledger
        self._disclosure = disclosure
        self._held_until: dict[str, float] = {}
        self._barred: dict[str, tuple[int, float]] = {}

    def clear(self) -> None:
        """Forget everybody."""
        self.__init__(self._ledger, self._disclosure)  # type: ignore[misc]  # as if new

    def withheld(self) -> tuple[int, int]:
        """How many are not shown because of their level, and because of the limit."""
        admitted = sum(map(self._is_admitted, self._ledger.users))
        return len(self._ledger.listed) - admitted, admitted - len(self.shown)

    def update(self, changed: Mapping[str, UserRecord], *, now: float) -> None:
        """Hold who fell, let go whose time is over, and fill and exchange places."""
        for user_id in changed:
            level = self._ledger.users[user_id].level
            if level is RiskLevel.NONE or self._disclosure.admits(level):
                self._held_until.pop(user_id, None)
            elif user_id in self.shown:
                self._held_until.setdefault(user_id, now + HELD_SECONDS)
        for user_id in [one for one, end in self._held_until.items() if end <= now]:
            del self._held_until[user_id]
        self._barred = {
            one: (severity, end)
            for one, (severity, end) in self._barred.items()
            if end > now and self._is_admitted(one) and self._severity(one) <= severity
        }
        self.shown = {one for one in self.shown if self._is_admitted(one)}
        while self._exchange_one(now):
            pass

    def _is_admitted(self, user_id: str) -> bool:
        level = self._ledger.users[user_id].level
        if level is RiskLevel.NONE:
            return False
        return self._disclosure.admits(level) or user_id in self._held_until

    def _exchange_one(self, now: float) -> bool:
        waiting = [
            one for one in self._ledger.users if one not in self.shown and self._is_admitted(one)
        ]
        if not waiting:
            return False
        best = min(waiting, key=self._urgency)
        worst = min(self.shown, key=self._expendability, default=None)
        is_higher = worst is None or self._severity(best) > self._severity(worst)
        if len(self.shown) < self._disclosure.limit:
            if best in self._barred and not is_higher:
                return False
        elif worst is None or not is_higher:
            return False
        else:
            self.shown.remove(worst)
            if self._held_until.pop(worst, None) is None:
                self._barred[worst] = (self._severity(worst), now + HELD_SECONDS)
        self._barred.pop(best, None)
        self.shown.add(best)
        return True

    def _severity(self, user_id: str) -> int:
        return self._ledger.users[user_id].level.severity

    def _last_event(self, user_id: str) -> float:
        summary = self._ledger.users[user_id].summary
        assert summary is not None
        return summary.last_event

    def _urgency(self, user_id: str) -> Key:
        is_barred = user_id in self._barred
        return (-self._severity(user_id), is_barred, -self._last_event(user_id), user_id)

    def _expendability(self, user_id: str) -> Key:
        return (self._severity(user_id), False, self._last_event(user_id), user_id)


def _record(level: RiskLevel, last_event: float) -> UserRecord:
    if level is RiskLevel.NONE:
        return UserRecord()
    return UserRecord(summary=UserSummary("", "", "", 1, last_event, level))


@settings(max_examples=500)
@given(
    steps=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from(USERS),
                st.builds(_record, st.sampled_from(RiskLevel), st.integers(0, 3).map(float)),
                max_size=4,
            ),
            st.sampled_from([1.0, HELD_SECONDS / 2, HELD_SECONDS]),
            st.sampled_from([False, False, False, True]),
        ),
        max_size=12,
    ),
    limit=st.integers(0, 5),
    min_level=st.sampled_from([RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH]),
)
def test_looking_at_those_who_changed_is_as_good_as_looking_at_everybody(
    steps: list[tuple[dict[str, UserRecord], float, bool]], limit: int, min_level: RiskLevel
) -> None:
    """Ranks are kept from poll to poll; one gone by that is still believed would show the wrong."""
    disclosure = Disclosure(min_level, limit, Identity.FULL, pseudonym_key=b"key")
    ledger = Ledger(AccountRecord(created=0.0))
    selection, naive = Selection(ledger, disclosure), Naive(ledger, disclosure)
    shown: set[str] = set()
    now = 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "exporter.risk.selection._LEAST_ENTRIES", 2
        )  # so that outdated ranks are dropped
        for users, seconds, is_cleared in steps:
            now += seconds
            if is_cleared:
                shown -= selection.clear()
                naive.clear()
            ledger.apply(Changes(users=users))
            shown ^= selection.update({**users, **dict.fromkeys(ledger.listed)}, now=now)
            naive.update(users, now=now)

            assert selection.shown == naive.shown == shown
            assert (selection.withheld_by_level, selection.withheld_by_limit) == naive.withheld()
