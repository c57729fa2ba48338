"""What one reader of an account's summaries has been told, kept at the cost of what changed.

A reader is a token. From here the truth knows the reader's baseline (the first summary they
were answered whole) and how levels moved from each of their summaries to the next.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.simulator.world.levels import NO_LEVEL
from exporter.simulator.world.users import User


@dataclass(frozen=True, slots=True)
class Baseline:
    """The first summary: when it was rendered, and the latest event of each user it listed."""

    at_ns: int
    last_event_ns: dict[str, int]

    def precedes(self, user_id: str, at_ns: int) -> bool:
        """Whether an event of that user at `at_ns` counts: it is none of the baseline's."""
        last_event_ns = self.last_event_ns.get(user_id)
        return last_event_ns is None or at_ns > last_event_ns


@dataclass(frozen=True, slots=True)
class View:
    """The levels a rendered summary tells that the reader has not been told yet.

    `version` is the account's when it was rendered; `baseline` is set for a first summary.
    """

    version: int
    levels: dict[str, str]
    baseline: Baseline | None = None


class Witness:
    """One reader of one account."""

    def __init__(self) -> None:
        self.baseline: Baseline | None = None
        self.level_changes: Counter[tuple[str, str]] = Counter()
        self._levels: dict[str, str] = {}
        self._changed: dict[str, int] = {}

    def notice(self, user_id: str, version: int) -> None:
        """Remember that something about the user changed, in that version of the account."""
        if self.baseline is not None:
            self._changed[user_id] = version

    def look(self, users: dict[str, User], *, version: int, at_ns: int) -> View:
        """What a summary rendered now tells this reader. Nothing is told before `learn`."""
        if self.baseline is None:
            listed = [user for user in users.values() if user.is_listed]
            baseline = Baseline(at_ns, {user.id: _last_event_ns(user) for user in listed})
            return View(version, _levels_of(listed), baseline)
        return View(version, _levels_of(users[user_id] for user_id in self._changed))

    def learn(self, view: View) -> None:
        """Let the reader have read `view`: its summary went out whole."""
        if self.baseline is None:
            self._begin(view)
            return
        for user_id, level in view.levels.items():
            before = self._levels.get(user_id, NO_LEVEL)
            if before != level:
                self.level_changes[before, level] += 1
                self._levels[user_id] = level
            if self._changed.get(user_id, 0) <= view.version:
                self._changed.pop(user_id, None)

    def _begin(self, view: View) -> None:
        if view.baseline is not None:
            self.baseline = view.baseline
            self._levels = dict(view.levels)


def _levels_of(users: Iterable[User]) -> dict[str, str]:
    return {
        user.id: user.level if user.is_listed and user.level is not None else NO_LEVEL
        for user in users
    }


def _last_event_ns(user: User) -> int:
    return user.latest.at_ns if user.latest is not None else 0
