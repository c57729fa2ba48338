"""Choose whose details are requested next. Pure: records and instants in, user ids out.

There are three queues: users at high risk, other users who changed, and the rest. In each, changed
users are first, by level and then latest event; then users never read, in the same order; then
users due for a refresh, evenly spread. `UserQueue` bounds how long a user may wait.
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
    """The users of one account whose details are to be read; instants are Unix seconds.

    `take` does not return a user again before `settle` or `cool_down` is called for them, nor
    during a cooldown. The details of listed users are also refreshed, about once in
    `max_age_seconds`; see `RefreshSchedule`.
    """

    def __init__(self, *, max_age_seconds: float) -> None:
        self._queues = {priority: UserQueue() for priority in DETAILS}
        self._ranks: dict[str, Rank] = {}
        self._pending: Counter[RefreshReason] = Counter()
        self._requested: set[str] = set()
        self._cooldowns = Cooldowns()
        self._refreshes = RefreshSchedule(max_age_seconds=max_age_seconds)
        self._aged_at: dict[str, float] = {}
        self._changed_since: dict[str, float] = {}

    def pending(self, reason: RefreshReason) -> int:
        """Return how many users wait to be read for this reason, those being asked included.

        A user counts once: as changed before never read, and as that before due for a refresh.
        """
        return self._pending[reason]

    @property
    def pending_since(self) -> float | None:
        """When the first of the changed users changed, or None if there are none."""
        return next(islice(self._changed_since.values(), 1), None)

    def changed(self) -> tuple[str, ...]:
        """Return the users who changed and were not read since, longest waiting first."""
        return tuple(self._changed_since)

    def load(self, records: Iterable[tuple[str, UserRecord]]) -> Chunked[None]:
        """Add all records of an account, in the order in which they began to wait or were read.

        They are sorted in chunks and merged, because one sort of all of them blocks for too long.
        """
        runs = []
        for chunk in in_chunks(records):
            runs.append(sorted(chunk, key=_since))
            yield
        for chunk in in_chunks(merge(*runs, key=_since)):
            for user_id, record in chunk:
                self.learn(user_id, record)
            yield

    def learn(self, user_id: str, record: UserRecord) -> None:
        """Update what is known of a user."""
        if record.due_since is None:
            self._changed_since.pop(user_id, None)
        else:
            self._changed_since.setdefault(user_id, record.due_since)
        self._schedule_refresh(user_id, record)
        self._rank(user_id, rank_of(record, aged_at=self._aged_at.get(user_id)))
        self._place(user_id)

    def settle(self, user_id: str, record: UserRecord) -> None:
        """Record that a user was read, and update what is known of them."""
        self._requested.discard(user_id)
        self._aged_at.pop(user_id, None)
        self.learn(user_id, record)

    def cool_down(self, user_id: str, *, until: float) -> None:
        """Do not return this user again before `until`, because their request failed."""
        self._requested.discard(user_id)
        self._cooldowns.add(user_id, until=until)
        self._place(user_id)

    def take(self, priority: Priority, now: float) -> str | None:
        """Return the user to request with this priority now, or None."""
        self._queue_due(now)
        user_id = self._queues[priority].take()
        if user_id is not None:
            self._requested.add(user_id)
        return user_id

    def seconds_until_next(self, priority: Priority, now: float) -> float:
        """Return how long `take` returns None unless a user changes; infinity if that never ends."""
        self._queue_due(now)
        if self._queues[priority]:
            return 0.0
        seconds = self._cooldowns.seconds_until_next(now)
        if priority is Priority.RELAXED_DETAILS:
            return min(seconds, self._refreshes.seconds_until_next(now))
        return seconds

    def _queue_due(self, now: float) -> None:
        """Queue the users whose cooldown is over, and the next one due for a refresh."""
        for user_id in self._cooldowns.end(now):
            self._place(user_id)
        aged = self._refreshes.take(now)
        if aged is not None:
            self._aged_at[aged] = now
            if aged not in self._ranks:
                self._rank(aged, Rank.aged(now))
            self._place(aged)

    def _rank(self, user_id: str, rank: Rank | None) -> None:
        before = self._ranks.pop(user_id, None)
        if before is not None:
            self._pending[before.reason] -= 1
        if rank is not None:
            self._ranks[user_id] = rank
            self._pending[rank.reason] += 1

    def _place(self, user_id: str) -> None:
        """Put a user into the queue of their rank, if any, and remove them from the others."""
        rank = self._ranks.get(user_id)
        is_free = user_id not in self._requested and user_id not in self._cooldowns
        for priority, queue in self._queues.items():
            if rank is not None and is_free and rank.priority is priority:
                queue.put(user_id, rank)
            else:
                queue.discard(user_id)

    def _schedule_refresh(self, user_id: str, record: UserRecord) -> None:
        if record.summary is None:
            self._aged_at.pop(user_id, None)
        if record.summary is None or record.details_at is None:
            self._refreshes.discard(user_id)
        elif user_id not in self._aged_at:
            self._refreshes.add(user_id, record.details_at)


def _since(user: tuple[str, UserRecord]) -> float:
    record = user[1]
    if record.due_since is not None:
        return record.due_since
    return 0.0 if record.details_at is None else record.details_at
