"""Whose details are asked for next. Pure: records and instants go in, user ids come out.

Users who changed come first, highest level and then latest event first; then users never asked
about, in the same order; then, evenly spread, those asked about longest ago. Every
`FAIR_TURN`-th turn goes to whoever of the first two kinds has waited longest, so nobody starves:
a user who begins to wait behind n others is asked within `FAIR_TURN` x (n + 1) turns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

from exporter.polling.quota import Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel

FAIR_TURN = 8
"""One turn in so many goes by waiting time alone."""

REFRESHED_FROM_AGE = 0.5
"""Details younger than this part of the maximal age are not refreshed yet."""


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """How urgent a user's details are; the smallest goes first."""

    is_first_reading: bool
    mildness: int
    staleness: float

    @property
    def priority(self) -> Priority:
        """What the request is for: news and high risk are urgent, catching up is not."""
        is_catching_up = self.is_first_reading and -self.mildness < RiskLevel.HIGH.severity
        return Priority.RELAXED_DETAILS if is_catching_up else Priority.URGENT_DETAILS


class Planner:
    """The users of one account whose details are wanted.

    Every listed user is asked about again within `max_age_seconds`. A user handed out by `take`
    is not handed out again before `settle` was told their record; one who was put to `rest`
    not before their time.
    """

    def __init__(self, *, max_age_seconds: float) -> None:
        self._max_age_seconds = max_age_seconds
        self._changed_since: dict[str, float] = {}
        self._waiting: dict[str, Rank] = {}
        self._ranked: list[tuple[Rank, str]] = []
        self._asked: set[str] = set()
        self._resting_until: dict[str, float] = {}
        self._resting: list[tuple[float, str]] = []
        self._read_at: dict[str, float] = {}
        self._refreshed_at: float | None = None
        self._turn = 0

    @property
    def pending(self) -> int:
        """How many users have changed and were not read since."""
        return len(self._changed_since)

    @property
    def pending_since(self) -> float | None:
        """When the first of them changed, in Unix seconds; None where there are none."""
        return min(islice(self._changed_since.values(), 1), default=None)

    def changed(self) -> tuple[str, ...]:
        """The users who have changed and were not read since, longest waiting first."""
        return tuple(self._changed_since)

    def load(self, records: Iterable[tuple[str, UserRecord]]) -> None:
        """Learn all records of an account, in the order in which they were waiting or read."""
        for user_id, record in sorted(records, key=_age):
            self.learn(user_id, record)

    def learn(self, user_id: str, record: UserRecord) -> None:
        """Note what is now known of a user, wherever they stand."""
        if record.due_since is None:
            self._changed_since.pop(user_id, None)
        else:
            self._changed_since.setdefault(user_id, record.due_since)
        rank = _rank(record)
        if rank is None:
            self._waiting.pop(user_id, None)
            self._resting_until.pop(user_id, None)
        elif user_id not in self._asked and user_id not in self._resting_until:
            self._wait(user_id, rank)
        self._note_age(user_id, record)

    def settle(self, user_id: str, record: UserRecord) -> None:
        """Note that a request for a user has ended, and what is known of them now."""
        self._asked.discard(user_id)
        self.learn(user_id, record)

    def rest(self, user_id: str, *, until: float) -> None:
        """Hand this user out again only after `until`: asking about them failed."""
        self._asked.discard(user_id)
        self._waiting.pop(user_id, None)
        self._resting_until[user_id] = until
        heappush(self._resting, (until, user_id))

    def wake(self, now: float) -> list[str]:
        """The users whose rest is over; tell `learn` their records."""
        woken = []
        while self._resting and self._resting[0][0] <= now:
            until, user_id = heappop(self._resting)
            if self._resting_until.get(user_id) == until:
                del self._resting_until[user_id]
                woken.append(user_id)
        return woken

    def peek(self, now: float) -> Priority | None:
        """What the next request would be for; None where nobody's turn has come."""
        first = self._first_ranked()
        if first is not None:
            return self._waiting[first].priority
        return None if self._refresh_candidate(now) is None else Priority.RELAXED_DETAILS

    def take(self, now: float) -> str | None:
        """The user to ask about now; None where nobody's turn has come."""
        first = self._first_ranked()
        if first is None:
            return self._take_refresh(now)
        self._turn += 1
        if self._turn % FAIR_TURN == 0:
            first = next(iter(self._waiting))
        del self._waiting[first]
        self._asked.add(first)
        return first

    def seconds_until_next(self, now: float) -> float:
        """How long nobody's turn will come unless something is learnt; infinity: for ever."""
        if self._waiting:
            return 0.0
        instants = [until for until, _ in self._resting[:1]]
        oldest = next(iter(self._read_at.values()), None)
        if oldest is not None:
            young_until = oldest + self._max_age_seconds * REFRESHED_FROM_AGE
            instants.append(max(young_until, self._next_refresh_at(now)))
        return max(min(instants, default=float("inf")) - now, 0.0)

    def _wait(self, user_id: str, rank: Rank) -> None:
        if self._waiting.get(user_id) != rank:
            self._waiting[user_id] = rank
            heappush(self._ranked, (rank, user_id))

    def _first_ranked(self) -> str | None:
        while self._ranked:
            rank, user_id = self._ranked[0]
            if self._waiting.get(user_id) == rank:
                return user_id
            heappop(self._ranked)
        return None

    def _note_age(self, user_id: str, record: UserRecord) -> None:
        if record.summary is None or record.details_at is None:
            self._read_at.pop(user_id, None)
        elif self._read_at.get(user_id) != record.details_at:
            self._read_at.pop(user_id, None)
            self._read_at[user_id] = record.details_at

    def _next_refresh_at(self, now: float) -> float:
        if self._refreshed_at is None:
            self._refreshed_at = now
        return self._refreshed_at + self._max_age_seconds / max(len(self._read_at), 1)

    def _refresh_candidate(self, now: float) -> str | None:
        oldest = next(iter(self._read_at.items()), None)
        if oldest is None or now < self._next_refresh_at(now):
            return None
        user_id, read_at = oldest
        is_old = now - read_at >= self._max_age_seconds * REFRESHED_FROM_AGE
        return user_id if is_old else None

    def _take_refresh(self, now: float) -> str | None:
        user_id = self._refresh_candidate(now)
        if user_id is not None:
            self._refreshed_at = now
            self._read_at.pop(user_id)
            self._read_at[user_id] = now
            self._asked.add(user_id)
        return user_id


def _rank(record: UserRecord) -> Rank | None:
    """How urgent a user's details are; None where they are not wanted but for their age."""
    if record.due_since is None and (record.summary is None or record.details_at is not None):
        return None
    last_event = 0.0 if record.summary is None else record.summary.last_event
    return Rank(record.due_since is None, -record.level.severity, -last_event)


def _age(user: tuple[str, UserRecord]) -> float:
    record = user[1]
    if record.due_since is not None:
        return record.due_since
    return 0.0 if record.details_at is None else record.details_at
