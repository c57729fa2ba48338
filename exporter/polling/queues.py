"""Order users by the urgency of their details: ranks, queues, refresh schedule, cooldowns. Pure."""

from collections.abc import Iterator
from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Generic, Self, TypeVar

import msgspec

from exporter.polling.quota_window import Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel


class RefreshReason(IntEnum):
    """Why a user's details are read: they changed, were never read, or are due for a refresh."""

    CHANGED = 0
    UNREAD = 1
    AGED = 2

    @property
    def label(self) -> str:
        """The value of the label `reason` of `pending_users`."""
        return ("changed", "never_read", "refresh")[self]


class Rank(msgspec.Struct, frozen=True, order=True, gc=False):
    """The urgency of a user's details; the smallest is first.

    `by_severity` and `by_time` put the highest severity and, for changed and unread users, the
    latest event first.
    """

    priority: Priority
    reason: RefreshReason
    by_severity: int
    by_time: float

    @classmethod
    def of(cls, reason: RefreshReason, level: RiskLevel, *, last_event: float) -> Self:
        """Return the rank of a user of this level; high and unknown levels are urgent."""
        if level.severity >= RiskLevel.HIGH.severity:
            priority = Priority.URGENT_DETAILS
        elif reason is RefreshReason.CHANGED:
            priority = Priority.CHANGED_DETAILS
        else:
            priority = Priority.RELAXED_DETAILS
        return cls(priority, reason, -level.severity, -last_event)

    @classmethod
    def aged(cls, found_at: float) -> Self:
        """Return the rank of a user who became due for a refresh at that instant, earliest first."""
        return cls(Priority.RELAXED_DETAILS, RefreshReason.AGED, 0, found_at)


def rank_of(record: UserRecord, *, aged_at: float | None = None) -> Rank | None:
    """Return the rank of a user, or None if their details need not be read.

    `aged_at` is when they became due for a refresh. The details of an unlisted user are read only
    after a change.
    """
    if record.due_since is None and record.summary is None:
        return None
    last_event = 0.0 if record.summary is None else record.summary.last_event
    if record.due_since is not None:
        return Rank.of(RefreshReason.CHANGED, record.level, last_event=last_event)
    if record.details_at is None:
        return Rank.of(RefreshReason.UNREAD, record.level, last_event=last_event)
    return None if aged_at is None else Rank.aged(aged_at)


_LEAST_ENTRIES = 1000
"""A heap with fewer entries is not compacted."""

P = TypeVar("P", float, Rank)


class PriorityMap(Generic[P]):
    """A mapping from user ids to priorities that knows its smallest priority.

    Iteration is in the order in which the users were added. `put` and `discard` leave the entry
    they replace in the heap, which is dropped when it comes first, and by compaction once such
    entries outnumber the others.
    """

    def __init__(self) -> None:
        self._priorities: dict[str, P] = {}
        self._heap: list[tuple[P, str]] = []

    def __len__(self) -> int:
        return len(self._priorities)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._priorities

    def __iter__(self) -> Iterator[str]:
        return iter(self._priorities)

    def put(self, user_id: str, priority: P) -> None:
        """Add a user, or change the priority of one who keeps their place in the iteration."""
        if self._priorities.get(user_id) == priority:
            return
        self._priorities[user_id] = priority
        heappush(self._heap, (priority, user_id))
        if len(self._heap) > max(2 * len(self._priorities), _LEAST_ENTRIES):
            self._heap = [(priority, user_id) for user_id, priority in self._priorities.items()]
            heapify(self._heap)

    def discard(self, user_id: str) -> None:
        """Remove a user, if present."""
        self._priorities.pop(user_id, None)

    def first(self) -> tuple[P, str] | None:
        """Return the smallest priority and its user, or None if the map is empty.

        Of equal priorities the smallest user id is first.
        """
        while self._heap:
            priority, user_id = self._heap[0]
            if self._priorities.get(user_id) == priority:
                return self._heap[0]
            heappop(self._heap)
        return None


FAIR_TURN = 8
"""Every eighth user taken from a queue is the one who has waited longest."""


class UserQueue:
    """Users of one request priority who wait for their details, most urgent first.

    A user who begins to wait behind n others is taken within `FAIR_TURN` x (n + 1) turns.
    """

    def __init__(self) -> None:
        self._waiting: PriorityMap[Rank] = PriorityMap()
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, user_id: str, rank: Rank) -> None:
        """Add a user, or change the rank of one who keeps their waiting time."""
        self._waiting.put(user_id, rank)

    def discard(self, user_id: str) -> None:
        """Remove a user, if present."""
        self._waiting.discard(user_id)

    def take(self) -> str | None:
        """Remove and return the next user, or None if the queue is empty."""
        first = self._waiting.first()
        if first is None:
            return None
        self._turn += 1
        user_id = next(iter(self._waiting)) if self._turn % FAIR_TURN == 0 else first[1]
        self._waiting.discard(user_id)
        return user_id


YOUNG_PART = 0.25
"""Details younger than this part of the maximal age are not refreshed."""


class RefreshSchedule:
    """When each listed user's details were last read, and when to refresh whose.

    Refreshes are spread evenly over the rest of the maximal age, oldest details first: however
    many users were read together, their refreshes are not. While no user leaves, all are
    refreshed within `max_age_seconds`.
    """

    def __init__(self, *, max_age_seconds: float) -> None:
        self._young_seconds = max_age_seconds * YOUNG_PART
        self._cycle_seconds = max_age_seconds - self._young_seconds
        self._read_at: dict[str, float] = {}
        self._last_refresh_at: float | None = None

    def add(self, user_id: str, read_at: float) -> None:
        """Schedule a user who was read at that instant; calls must be in the order of reading."""
        if self._read_at.get(user_id) != read_at:
            self._read_at.pop(user_id, None)
            self._read_at[user_id] = read_at

    def discard(self, user_id: str) -> None:
        """Remove a user, if present."""
        self._read_at.pop(user_id, None)

    def seconds_until_next(self, now: float) -> float:
        """Return how long until a user is due; 0 if one is, infinity if none is scheduled."""
        oldest = next(islice(self._read_at.values(), 1), None)
        if oldest is None:
            return float("inf")
        last_refresh_at = self._last_refresh(now)
        spread_until = last_refresh_at + self._cycle_seconds / len(self._read_at)
        # A reading in the future is from before the clock was set back; its age is unknown.
        young_until = oldest + self._young_seconds if oldest <= now else now
        return max(spread_until - now, young_until - now, 0.0)

    def take(self, now: float) -> str | None:
        """Remove and return the next user due for a refresh, or None."""
        if self.seconds_until_next(now) > 0.0:
            return None
        self._last_refresh_at = now
        user_id = next(iter(self._read_at))
        self.discard(user_id)
        return user_id

    def _last_refresh(self, now: float) -> float:
        """Return when the last refresh was; before the first, when the newest details were read."""
        if self._last_refresh_at is None:
            self._last_refresh_at = next(reversed(self._read_at.values()), now)
        self._last_refresh_at = min(self._last_refresh_at, now)
        return self._last_refresh_at


class Cooldowns:
    """Users who are not requested before an instant, in Unix seconds, because a request failed."""

    def __init__(self) -> None:
        self._until: PriorityMap[float] = PriorityMap()
        self._last_now = float("-inf")

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._until

    def add(self, user_id: str, *, until: float) -> None:
        """Begin a user's cooldown, or change when it ends."""
        self._until.put(user_id, until)

    def end(self, now: float) -> list[str]:
        """End the cooldowns that are over; return their users.

        If the clock was set back, end all: their remaining time is unknown.
        """
        was_set_back = now < self._last_now
        self._last_now = now
        ended = []
        while (first := self._until.first()) is not None:
            until, user_id = first
            if until > now and not was_set_back:
                break
            self._until.discard(user_id)
            ended.append(user_id)
        return ended

    def seconds_until_next(self, now: float) -> float:
        """Return how long until the next cooldown is over; infinity if there is none."""
        first = self._until.first()
        return float("inf") if first is None else first[0] - now
