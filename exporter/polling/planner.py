"""Whose details are asked for next. Pure: records and instants go in, user ids come out.

There are three queues: users at high risk; others who changed; and the rest, for catching up. In
each go first those who changed, highest level and then latest event first; then those never asked
about, in the same order; then, evenly spread, those whose details grew old. Nobody starves: see
`UserQueue` for the bound.
"""

from collections import Counter
from collections.abc import Iterable
from heapq import merge
from itertools import islice

from exporter.chunked import Chunked, in_chunks
from exporter.polling.queues import (
    Cooldowns,
    Rank,
    RefreshReason,
    RefreshSchedule,
    UserQueue,
    rank_of,
)
from exporter.polling.quota_window import DETAILS, Priority
from exporter.risk.ledger import UserRecord


class Planner:
    """The users of one account whose details are wanted; instants are Unix seconds.

    A user handed out by `take` is not handed out again before `settle` or `rest` ends that; one
    who was put to rest not before their time. Listed users are handed out again for their age,
    too, about once in `max_age_seconds`; see `RefreshSchedule`.
    """

    def __init__(self, *, max_age_seconds: float) -> None:
        self._queues = {priority: UserQueue() for priority in DETAILS}
        self._ranks: dict[str, Rank] = {}
        self._pending: Counter[RefreshReason] = Counter()
        self._asked: set[str] = set()
        self._rests = Cooldowns()
        self._ages = RefreshSchedule(max_age_seconds=max_age_seconds)
        self._aged_at: dict[str, float] = {}
        self._changed_since: dict[str, float] = {}

    def pending(self, want: RefreshReason) -> int:
        """Return how many users wait to be read for this reason, those being asked included.

        A user counts once: as changed before never read, and as that before due for a refresh.
        """
        return self._pending[want]

    @property
    def pending_since(self) -> float | None:
        """When the first of the changed users changed; None where there are none."""
        return next(islice(self._changed_since.values(), 1), None)

    def changed(self) -> tuple[str, ...]:
        """The users who have changed and were not read since, longest waiting first."""
        return tuple(self._changed_since)

    def load(self, records: Iterable[tuple[str, UserRecord]]) -> Chunked[None]:
        """Learn all records of an account, in the order in which they were waiting or read.

        Sorted a slice at a time: to sort them all in one piece would take too long a step.
        """
        runs = []
        for some in in_chunks(records):
            runs.append(sorted(some, key=_since))
            yield
        for some in in_chunks(merge(*runs, key=_since)):
            for user_id, record in some:
                self.learn(user_id, record)
            yield

    def learn(self, user_id: str, record: UserRecord) -> None:
        """Note what is now known of a user, wherever they stand."""
        if record.due_since is None:
            self._changed_since.pop(user_id, None)
        else:
            self._changed_since.setdefault(user_id, record.due_since)
        self._note_age(user_id, record)
        self._rank(user_id, rank_of(record, aged_at=self._aged_at.get(user_id)))
        self._place(user_id)

    def settle(self, user_id: str, record: UserRecord) -> None:
        """Note that a user was read, and what is known of them now."""
        self._asked.discard(user_id)
        self._aged_at.pop(user_id, None)
        self.learn(user_id, record)

    def rest(self, user_id: str, *, until: float) -> None:
        """Hand this user out again only after `until`: asking about them was in vain."""
        self._asked.discard(user_id)
        self._rests.add(user_id, until=until)
        self._place(user_id)

    def take(self, priority: Priority, now: float) -> str | None:
        """The user to ask about with this priority now; None where it is nobody's turn."""
        self._move_on(now)
        user_id = self._queues[priority].take()
        if user_id is not None:
            self._asked.add(user_id)
        return user_id

    def seconds_until_turn(self, priority: Priority, now: float) -> float:
        """How long it will be nobody's turn unless something is learnt; infinity: for ever."""
        self._move_on(now)
        if self._queues[priority]:
            return 0.0
        rested = self._rests.seconds_until_next(now)
        if priority is Priority.RELAXED_DETAILS:
            return min(rested, self._ages.seconds_until_turn(now))
        return rested

    def _move_on(self, now: float) -> None:
        """Let those wait whose rest is over, and the next one whose details grew old."""
        for user_id in self._rests.end(now):
            self._place(user_id)
        aged = self._ages.take(now)
        if aged is not None:
            self._aged_at[aged] = now
            if aged not in self._ranks:
                self._rank(aged, Rank.aged(now))
            self._place(aged)

    def _rank(self, user_id: str, rank: Rank | None) -> None:
        before = self._ranks.pop(user_id, None)
        if before is not None:
            self._pending[before.want] -= 1
        if rank is not None:
            self._ranks[user_id] = rank
            self._pending[rank.want] += 1

    def _place(self, user_id: str) -> None:
        """Let a user wait in the one queue they belong to now, or in none."""
        rank = self._ranks.get(user_id)
        is_free = user_id not in self._asked and user_id not in self._rests
        for priority, queue in self._queues.items():
            if rank is not None and is_free and rank.priority is priority:
                queue.put(user_id, rank)
            else:
                queue.discard(user_id)

    def _note_age(self, user_id: str, record: UserRecord) -> None:
        if record.summary is None:
            self._aged_at.pop(user_id, None)
        if record.summary is None or record.details_at is None:
            self._ages.forget(user_id)
        elif user_id not in self._aged_at:
            self._ages.note(user_id, record.details_at)


def _since(user: tuple[str, UserRecord]) -> float:
    record = user[1]
    if record.due_since is not None:
        return record.due_since
    return 0.0 if record.details_at is None else record.details_at
