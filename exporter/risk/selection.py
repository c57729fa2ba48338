"""Which users have series of their own: bounded, highest level first, and without flapping.

Aggregates do not depend on it. The cost of an update grows with the number of changed users.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Self

import msgspec

from exporter.chunked import CHUNK_SIZE, Chunked, in_chunks, run_sync
from exporter.risk.ledger import Ledger
from exporter.risk.model import UserSummary
from exporter.risk.projection import Disclosure

_LEAST_ENTRIES = 1000
"""A ranking smaller than this is not worth building anew."""


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a user stands among others; the smallest is first."""

    by_level: int
    is_barred: bool
    by_event: float
    user_id: str

    @classmethod
    def among_waiting(cls, user_id: str, row: UserSummary, *, is_barred: bool) -> Self:
        """Highest level first, of one level those who are not barred, then the latest event."""
        return cls(-row.level.severity, is_barred, -row.last_event, user_id)

    @classmethod
    def among_shown(cls, user_id: str, row: UserSummary) -> Self:
        """Whoever would have to make room first: lowest level, of one level the oldest event."""
        return cls(row.level.severity, False, row.last_event, user_id)

    @property
    def severity(self) -> int:
        """The severity of the user's level."""
        return abs(self.by_level)


class Ranking:
    """Places, smallest first; `is_current` tells those that still hold from those gone by.

    A user who moves is put again, and their old place is passed over when its turn comes.
    """

    def __init__(self, is_current: Callable[[Place], bool]) -> None:
        self._is_current = is_current
        self._places: list[Place] = []

    def put(self, place: Place) -> None:
        """Let a user stand here."""
        heappush(self._places, place)

    def first(self) -> Place | None:
        """The smallest place that holds; None where there is none."""
        while self._places and not self._is_current(self._places[0]):
            heappop(self._places)
        return self._places[0] if self._places else None

    def tidy(self, *, current: int) -> Chunked[None]:
        """Forget places gone by once they outnumber the `current` ones that hold."""
        if len(self._places) <= 2 * current + _LEAST_ENTRIES:
            return
        kept: list[Place] = []
        for some in in_chunks(self._places):
            kept += filter(self._is_current, some)
            yield
        heapify(kept)
        self._places = kept


HELD_SECONDS = 600.0
"""A user who was shown and falls below the minimal level stays shown this long; one who had to
make room at the limit comes back no sooner. Else a level going up and down, theirs or somebody
else's, would make their series come and go."""


class _Bar(NamedTuple):
    """Of which severity a user's level was when they made room, and until when they stay away."""

    severity: int
    until: float


class Selection:
    """The users of one ledger who are shown, kept up to date as they change.

    With more of them than the limit: highest level first; of one level those shown already, and
    then those with the latest event. Whoever made room for a higher level is barred for
    `HELD_SECONDS`, or until their own level rises: all others of their level go before them, and
    a place that becomes free is neither theirs nor anybody's of a lower level, unless somebody of
    a lower level than theirs is shown. `withheld_by_level` and `withheld_by_limit` are how many
    listed users are not shown, and why.
    """

    def __init__(self, ledger: Ledger, disclosure: Disclosure) -> None:
        self.shown: set[str] = set()
        self.withheld_by_level = 0
        self.withheld_by_limit = 0
        self._ledger = ledger
        self._disclosure = disclosure
        self._is_begun = False
        self._moved: set[str] = set()
        self._held_until: dict[str, float] = {}
        self._barred: dict[str, _Bar] = {}
        self._waiting = Ranking(self._is_waiting)
        self._expendable: Ranking | None = None  # of those shown; None while nobody waits

    def update(self, changed: Iterable[str], *, now: float) -> set[str]:
        """Choose anew after `changed` users moved; who is shown now and was not, or the reverse.

        `now` is seconds of any clock, best of one that never goes back.
        """
        return run_sync(self.update_in_steps(changed, now=now))

    def update_in_steps(self, changed: Iterable[str], *, now: float) -> Chunked[set[str]]:
        """Choose likewise. The ledger must not move between the first and the last step.

        The first time, and the first time after `clear`, every listed user counts as changed.
        """
        self._moved = set()
        newcomers: dict[str, None] = {}
        for some in in_chunks(changed if self._is_begun else self._ledger.listed):
            for user_id in some:
                self._hold(user_id, now=now)
                self._admit_or_hide(user_id, newcomers)
            yield
        self._is_begun = True
        for some in in_chunks(self._released(now)):
            for user_id in some:
                self._admit_or_hide(user_id, newcomers)
            yield
        yield from self._let_in(newcomers, now=now)
        admitted = self._count_admitted()
        self.withheld_by_level = len(self._ledger.listed) - admitted
        self.withheld_by_limit = admitted - len(self.shown)
        return self._moved

    def clear(self) -> set[str]:
        """Show nobody, and forget who was shown; who that is."""
        gone, self.shown = self.shown, set()
        self.withheld_by_level = self.withheld_by_limit = 0
        self._is_begun = False
        self._held_until.clear()
        self._barred.clear()
        self._waiting, self._expendable = Ranking(self._is_waiting), None
        return gone

    def _hold(self, user_id: str, *, now: float) -> None:
        """Note who just fell below the minimal level."""
        record = self._ledger.users[user_id]
        if record.summary is None or self._disclosure.admits(record.level):
            self._held_until.pop(user_id, None)
        elif user_id in self.shown:
            self._held_until.setdefault(user_id, now + HELD_SECONDS)

    def _admit_or_hide(self, user_id: str, newcomers: dict[str, None]) -> None:
        """Hide a user, let them stay, or count them among those who want to be shown."""
        row = self._ledger.users[user_id].summary
        if row is None or not self._is_admitted(user_id, row):
            self._barred.pop(user_id, None)
            self._hide(user_id)
        elif user_id not in self.shown:
            if user_id in self._barred and row.level.severity > self._barred[user_id].severity:
                del self._barred[user_id]
            newcomers[user_id] = None
        elif self._expendable is not None:
            self._expendable.put(Place.among_shown(user_id, row))

    def _let_in(self, newcomers: Iterable[str], *, now: float) -> Chunked[None]:
        """Show as many as there is room for, and whoever is of a higher level than one shown."""
        has_room = self._count_admitted() <= self._disclosure.limit
        if has_room and not self._barred and self._waiting.first() is None:
            self._expendable = None
            for some in in_chunks(newcomers):
                self._moved.symmetric_difference_update(some)
                self.shown.update(some)
                yield
            return
        yield from self._rank(newcomers)
        turns = 0
        while self._let_one_in(now=now):
            turns += 1
            if turns % CHUNK_SIZE == 0:
                yield
        yield from self._tidy()

    def _rank(self, newcomers: Iterable[str]) -> Chunked[None]:
        """Let the newcomers wait; see to it that those shown are ranked."""
        for some in in_chunks(newcomers):
            for user_id in some:
                self._wait(user_id)
            yield
        if self._expendable is None:
            self._expendable = Ranking(self._is_shown_there)
            for some in in_chunks(self.shown):
                for user_id in some:
                    self._expendable.put(self._place_among_shown(user_id))
                yield

    def _let_one_in(self, *, now: float) -> bool:
        """Show the most urgent of those who wait; False where that must not be."""
        assert self._expendable is not None
        best, worst = self._waiting.first(), self._expendable.first()
        if best is None:
            return False
        is_higher = worst is None or best.severity > worst.severity
        if len(self.shown) < self._disclosure.limit:
            if best.is_barred and not is_higher:
                return False
        elif worst is None or not is_higher:
            return False
        else:
            self._displace(worst, now=now)
        self._show(best.user_id)
        return True

    def _tidy(self) -> Chunked[None]:
        """Keep no ranking while nobody waits, and no more than twice as much of it as it says."""
        assert self._expendable is not None
        if self._waiting.first() is None:
            self._expendable = None
            return
        waiting = self._count_admitted() - len(self.shown)
        yield from self._waiting.tidy(current=waiting)
        yield from self._expendable.tidy(current=len(self.shown))

    def _show(self, user_id: str) -> None:
        self._barred.pop(user_id, None)
        self.shown.add(user_id)
        self._moved ^= {user_id}
        if self._expendable is not None:
            self._expendable.put(self._place_among_shown(user_id))

    def _hide(self, user_id: str) -> None:
        if user_id in self.shown:
            self.shown.remove(user_id)
            self._moved ^= {user_id}

    def _displace(self, worst: Place, *, now: float) -> None:
        """Hide a user who makes room; one who was only held is let go."""
        self._hide(worst.user_id)
        if self._held_until.pop(worst.user_id, None) is None:
            self._barred[worst.user_id] = _Bar(worst.severity, until=now + HELD_SECONDS)
            self._wait(worst.user_id)

    def _released(self, now: float) -> list[str]:
        """Let go of those who were held or barred long enough; who they are."""
        held = [user_id for user_id, until in self._held_until.items() if until <= now]
        barred = [user_id for user_id, bar in self._barred.items() if bar.until <= now]
        for user_id in held:
            del self._held_until[user_id]
        for user_id in barred:
            del self._barred[user_id]
        return held + barred

    def _wait(self, user_id: str) -> None:
        row = self._ledger.users[user_id].summary
        if row is not None:
            is_barred = user_id in self._barred
            self._waiting.put(Place.among_waiting(user_id, row, is_barred=is_barred))

    def _place_among_shown(self, user_id: str) -> Place:
        row = self._ledger.users[user_id].summary
        assert row is not None, "nobody is shown who is not listed"
        return Place.among_shown(user_id, row)

    def _is_waiting(self, place: Place) -> bool:
        row = self._ledger.users[place.user_id].summary
        if row is None or place.user_id in self.shown or not self._is_admitted(place.user_id, row):
            return False
        is_barred = place.user_id in self._barred
        return place == Place.among_waiting(place.user_id, row, is_barred=is_barred)

    def _is_shown_there(self, place: Place) -> bool:
        return place.user_id in self.shown and place == self._place_among_shown(place.user_id)

    def _is_admitted(self, user_id: str, row: UserSummary) -> bool:
        return self._disclosure.admits(row.level) or user_id in self._held_until

    def _count_admitted(self) -> int:
        """How many users would be shown, were there no limit."""
        by_level = self._ledger.listed_by_level.items()
        counts = (count for level, count in by_level if self._disclosure.admits(level))
        return sum(counts) + len(self._held_until)
