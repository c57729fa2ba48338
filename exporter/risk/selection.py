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
"""A queue smaller than this is not worth compacting."""


class Rank(msgspec.Struct, frozen=True, order=True, gc=False):
    """The rank of a user among others; the smallest comes first."""

    by_level: int
    is_cooling_down: bool
    by_event: float
    user_id: str

    @classmethod
    def for_admission(cls, user_id: str, row: UserSummary, *, is_cooling_down: bool) -> Self:
        """Rank by highest level; within a level users not cooling down first, then by latest event."""
        return cls(-row.level.severity, is_cooling_down, -row.last_event, user_id)

    @classmethod
    def for_eviction(cls, user_id: str, row: UserSummary) -> Self:
        """Rank by lowest level, and within a level by oldest event."""
        return cls(row.level.severity, False, row.last_event, user_id)

    @property
    def severity(self) -> int:
        """The severity of the user's level."""
        return abs(self.by_level)


class RankQueue:
    """A queue of ranks, smallest first. `is_current` decides whether a rank is still valid.

    A user whose rank changes is put again; outdated ranks are dropped when they come first.
    """

    def __init__(self, is_current: Callable[[Rank], bool]) -> None:
        self._is_current = is_current
        self._ranks: list[Rank] = []

    def put(self, rank: Rank) -> None:
        """Add a rank."""
        heappush(self._ranks, rank)

    def first(self) -> Rank | None:
        """Return the smallest valid rank, or None."""
        while self._ranks and not self._is_current(self._ranks[0]):
            heappop(self._ranks)
        return self._ranks[0] if self._ranks else None

    def compact(self, *, current: int) -> Chunked[None]:
        """Drop outdated ranks once they outnumber the `current` valid ones."""
        if len(self._ranks) <= 2 * current + _LEAST_ENTRIES:
            return
        kept: list[Rank] = []
        for user_ids in in_chunks(self._ranks):
            kept += filter(self._is_current, user_ids)
            yield
        heapify(kept)
        self._ranks = kept


HELD_SECONDS = 600.0
"""How long a user who falls below the minimum level stays exposed, and how long the cooldown of a
user who was evicted at the limit lasts. Without it, series would come and go with a level that
rises and falls."""


class _Cooldown(NamedTuple):
    """The severity of a user's level at the eviction, and the end of the cooldown."""

    severity: int
    until: float


class Selection:
    """The users of one ledger that have series of their own, updated as users change.

    If there are more users than the limit, higher levels come first; within a level, users that
    are shown already, then those with the latest event. A user who is evicted by one of a higher
    level cools down for `HELD_SECONDS`, or until their own level rises: other users of the level
    come first, and a free slot goes neither to them nor to a user of a lower level, unless a user
    of a lower level than theirs is shown. `withheld_by_level` and `withheld_by_limit` count the
    listed users that are not shown, by reason.
    """

    def __init__(self, ledger: Ledger, disclosure: Disclosure) -> None:
        self.shown: set[str] = set()
        self.withheld_by_level = 0
        self.withheld_by_limit = 0
        self._ledger = ledger
        self._disclosure = disclosure
        self._has_begun = False
        self._changed: set[str] = set()
        self._held_until: dict[str, float] = {}
        self._cooling_down: dict[str, _Cooldown] = {}
        self._waiting = RankQueue(self._is_waiting)
        self._eviction_candidates: RankQueue | None = None  # None while no user waits

    def update(self, changed: Iterable[str], *, now: float) -> set[str]:
        """Update the selection after `changed`; return the users that were added or removed.

        `now` are the seconds of a monotonic clock.
        """
        return run_sync(self.update_in_steps(changed, now=now))

    def update_in_steps(self, changed: Iterable[str], *, now: float) -> Chunked[set[str]]:
        """Do the same in steps, between which the ledger must not change.

        In the first update, and in the first after `clear`, every listed user counts as changed.
        """
        self._changed = set()
        candidates: dict[str, None] = {}
        for user_ids in in_chunks(changed if self._has_begun else self._ledger.listed):
            for user_id in user_ids:
                self._hold(user_id, now=now)
                self._add_or_hide(user_id, candidates)
            yield
        self._has_begun = True
        for user_ids in in_chunks(self._released(now)):
            for user_id in user_ids:
                self._add_or_hide(user_id, candidates)
            yield
        yield from self._admit(candidates, now=now)
        admitted = self._count_admitted()
        self.withheld_by_level = len(self._ledger.listed) - admitted
        self.withheld_by_limit = admitted - len(self.shown)
        return self._changed

    def clear(self) -> set[str]:
        """Remove all users from the selection and return them."""
        gone, self.shown = self.shown, set()
        self.withheld_by_level = self.withheld_by_limit = 0
        self._has_begun = False
        self._held_until.clear()
        self._cooling_down.clear()
        self._waiting, self._eviction_candidates = RankQueue(self._is_waiting), None
        return gone

    def _hold(self, user_id: str, *, now: float) -> None:
        """Begin or end the time for which a user below the minimum level stays shown."""
        record = self._ledger.users[user_id]
        if record.summary is None or self._disclosure.admits(record.level):
            self._held_until.pop(user_id, None)
        elif user_id in self.shown:
            self._held_until.setdefault(user_id, now + HELD_SECONDS)

    def _add_or_hide(self, user_id: str, candidates: dict[str, None]) -> None:
        """Hide a user, keep them shown, or add them to the candidates."""
        row = self._ledger.users[user_id].summary
        if row is None or not self._is_admitted(user_id, row):
            self._cooling_down.pop(user_id, None)
            self._hide(user_id)
        elif user_id not in self.shown:
            if (
                user_id in self._cooling_down
                and row.level.severity > self._cooling_down[user_id].severity
            ):
                del self._cooling_down[user_id]
            candidates[user_id] = None
        elif self._eviction_candidates is not None:
            self._eviction_candidates.put(Rank.for_eviction(user_id, row))

    def _admit(self, candidates: Iterable[str], *, now: float) -> Chunked[None]:
        """Show candidates while there is room, and those of a higher level than a user shown."""
        has_room = self._count_admitted() <= self._disclosure.limit
        if has_room and not self._cooling_down and self._waiting.first() is None:
            self._eviction_candidates = None
            for user_ids in in_chunks(candidates):
                self._changed.symmetric_difference_update(user_ids)
                self.shown.update(user_ids)
                yield
            return
        yield from self._rank(candidates)
        turns = 0
        while self._admit_one(now=now):
            turns += 1
            if turns % CHUNK_SIZE == 0:
                yield
        yield from self._compact()

    def _rank(self, candidates: Iterable[str]) -> Chunked[None]:
        """Queue the candidates, and rank the users shown for eviction."""
        for user_ids in in_chunks(candidates):
            for user_id in user_ids:
                self._wait(user_id)
            yield
        if self._eviction_candidates is None:
            self._eviction_candidates = RankQueue(self._is_eviction_rank)
            for user_ids in in_chunks(self.shown):
                for user_id in user_ids:
                    self._eviction_candidates.put(self._eviction_rank(user_id))
                yield

    def _admit_one(self, *, now: float) -> bool:
        """Show the first of the waiting users; return False if none may be shown."""
        assert self._eviction_candidates is not None
        best, worst = self._waiting.first(), self._eviction_candidates.first()
        if best is None:
            return False
        is_higher = worst is None or best.severity > worst.severity
        if len(self.shown) < self._disclosure.limit:
            if best.is_cooling_down and not is_higher:
                return False
        elif worst is None or not is_higher:
            return False
        else:
            self._evict(worst, now=now)
        self._show(best.user_id)
        return True

    def _compact(self) -> Chunked[None]:
        """Drop the eviction queue if no user waits, and outdated ranks of both queues."""
        assert self._eviction_candidates is not None
        if self._waiting.first() is None:
            self._eviction_candidates = None
            return
        waiting = self._count_admitted() - len(self.shown)
        yield from self._waiting.compact(current=waiting)
        yield from self._eviction_candidates.compact(current=len(self.shown))

    def _show(self, user_id: str) -> None:
        self._cooling_down.pop(user_id, None)
        self.shown.add(user_id)
        self._changed ^= {user_id}
        if self._eviction_candidates is not None:
            self._eviction_candidates.put(self._eviction_rank(user_id))

    def _hide(self, user_id: str) -> None:
        if user_id in self.shown:
            self.shown.remove(user_id)
            self._changed ^= {user_id}

    def _evict(self, worst: Rank, *, now: float) -> None:
        """Hide a user to make room. One who is below the minimum level does not wait to return."""
        self._hide(worst.user_id)
        if self._held_until.pop(worst.user_id, None) is None:
            self._cooling_down[worst.user_id] = _Cooldown(worst.severity, until=now + HELD_SECONDS)
            self._wait(worst.user_id)

    def _released(self, now: float) -> list[str]:
        """End hold times and cooldowns that are over; return their users."""
        held = [user_id for user_id, until in self._held_until.items() if until <= now]
        cooled_down = [
            user_id for user_id, cooldown in self._cooling_down.items() if cooldown.until <= now
        ]
        for user_id in held:
            del self._held_until[user_id]
        for user_id in cooled_down:
            del self._cooling_down[user_id]
        return held + cooled_down

    def _wait(self, user_id: str) -> None:
        row = self._ledger.users[user_id].summary
        if row is not None:
            is_cooling_down = user_id in self._cooling_down
            self._waiting.put(Rank.for_admission(user_id, row, is_cooling_down=is_cooling_down))

    def _eviction_rank(self, user_id: str) -> Rank:
        row = self._ledger.users[user_id].summary
        assert row is not None, "only listed users are shown"
        return Rank.for_eviction(user_id, row)

    def _is_waiting(self, rank: Rank) -> bool:
        row = self._ledger.users[rank.user_id].summary
        if row is None or rank.user_id in self.shown or not self._is_admitted(rank.user_id, row):
            return False
        is_cooling_down = rank.user_id in self._cooling_down
        return rank == Rank.for_admission(rank.user_id, row, is_cooling_down=is_cooling_down)

    def _is_eviction_rank(self, rank: Rank) -> bool:
        return rank.user_id in self.shown and rank == self._eviction_rank(rank.user_id)

    def _is_admitted(self, user_id: str, row: UserSummary) -> bool:
        return self._disclosure.admits(row.level) or user_id in self._held_until

    def _count_admitted(self) -> int:
        """Return how many users would be shown without a limit."""
        by_level = self._ledger.listed_by_level.items()
        counts = (count for level, count in by_level if self._disclosure.admits(level))
        return sum(counts) + len(self._held_until)
