"""Which users have series of their own: bounded, most urgent first, and without flapping.

Aggregates never change with it.
"""

from collections.abc import Iterable
from heapq import nlargest, nsmallest

from exporter.risk.ledger import Ledger
from exporter.risk.model import LISTED_LEVELS, RiskLevel
from exporter.risk.projection import Disclosure

HELD_SECONDS = 600.0
"""A user who was shown and falls below the minimal level stays shown this long, so that a level
going up and down does not make series come and go."""

_BY_SEVERITY = sorted((*LISTED_LEVELS, RiskLevel.UNKNOWN), key=lambda level: -level.severity)


class Selection:
    """The listed users of one account who are shown, kept up to date as they change.

    With more of them than the limit: highest level first; of one level those shown already, and
    then those with the latest event. `withheld_by_level` and `withheld_by_limit` are how many
    listed users are not shown, and why.
    """

    def __init__(self, disclosure: Disclosure) -> None:
        self.shown: set[str] = set()
        self.withheld_by_level = 0
        self.withheld_by_limit = 0
        self._disclosure = disclosure
        self._held_until: dict[str, float] = {}

    def update(self, ledger: Ledger, changed: Iterable[str], *, now: float) -> set[str]:
        """Choose anew after `changed` users moved; who is shown now and was not, or the reverse."""
        self._hold(ledger, changed, now=now)
        held = self._held_until.keys()
        admitted = {
            level: users if self._disclosure.admits(level) else users & held
            for level, users in ledger.by_level.items()
        }
        count = sum(len(users) for users in admitted.values())
        chosen = self._most_urgent(ledger, admitted)
        self.withheld_by_level = len(ledger.listed) - count
        self.withheld_by_limit = count - len(chosen)
        moved = self.shown ^ chosen
        self.shown = chosen
        return moved

    def clear(self) -> set[str]:
        """Show nobody; who was shown until now."""
        gone, self.shown = self.shown, set()
        self._held_until.clear()
        self.withheld_by_level = self.withheld_by_limit = 0
        return gone

    def _hold(self, ledger: Ledger, changed: Iterable[str], *, now: float) -> None:
        """Note who just fell below the minimal level, and let go of those held long enough."""
        for user_id in changed:
            record = ledger.users[user_id]
            if self._disclosure.admits(record.level) or record.summary is None:
                self._held_until.pop(user_id, None)
            elif user_id in self.shown:
                self._held_until.setdefault(user_id, now + HELD_SECONDS)
        over = [user_id for user_id, until in self._held_until.items() if until <= now]
        for user_id in over:
            del self._held_until[user_id]

    def _most_urgent(self, ledger: Ledger, admitted: dict[RiskLevel, set[str]]) -> set[str]:
        chosen: set[str] = set()
        for level in _BY_SEVERITY:
            room = self._disclosure.limit - len(chosen)
            users = admitted[level]
            chosen |= users if len(users) <= room else self._fill(room, users, ledger)
        return chosen

    def _fill(self, room: int, users: set[str], ledger: Ledger) -> set[str]:
        """As many users of one level as there is room for."""

        def latest_event(user_id: str) -> tuple[float, str]:
            summary = ledger.users[user_id].summary
            return (0.0 if summary is None else summary.last_event, user_id)

        staying = users & self.shown
        if len(staying) > room:
            leaving = nsmallest(len(staying) - room, staying, key=latest_event)
            return staying.difference(leaving)
        coming = nlargest(room - len(staying), users - staying, key=latest_event)
        return staying.union(coming)
