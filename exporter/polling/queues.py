"""Orders users by the urgency of their details: ranks, queues, refresh schedule and cooldowns. Pure."""

from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Self

import msgspec

from exporter.polling.quota_window import Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel


class RefreshReason(IntEnum):
    """Why a user's details are wanted: something changed, they were never read, they grew old."""

    CHANGED = 0
    UNREAD = 1
    AGED = 2

    @property
    def label(self) -> str:
        """The value of the `reason` label of `pending_users`."""
        return ("changed", "never_read", "refresh")[self]


class Rank(msgspec.Struct, frozen=True, order=True, gc=False):
    """How urgent a user's details are; the smallest goes first.

    `mildness` and `staleness` grow as level and instant fall.
    """

    priority: Priority
    want: RefreshReason
    mildness: int
    staleness: float

    @classmethod
    def of(cls, want: RefreshReason, level: RiskLevel, *, last_event: float) -> Self:
        """The rank of a user of this level: those at high risk, or maybe worse, are urgent."""
        if level.severity >= RiskLevel.HIGH.severity:
            priority = Priority.URGENT_DETAILS
        elif want is RefreshReason.CHANGED:
            priority = Priority.CHANGED_DETAILS
        else:
            priority = Priority.RELAXED_DETAILS
        return cls(priority, want, -level.severity, -last_event)

    @classmethod
    def aged(cls, found_at: float) -> Self:
        """The rank of a user found too old at that instant: whoever was first goes first."""
        return cls(Priority.RELAXED_DETAILS, RefreshReason.AGED, 0, found_at)


def rank_of(record: UserRecord, *, aged_at: float | None = None) -> Rank | None:
    """How urgent a user's details are, who was found too old at `aged_at`; None: not wanted.

    Of a user who is not listed only a change is of interest.
    """
    if record.due_since is None and record.summary is None:
        return None
    last_event = 0.0 if record.summary is None else record.summary.last_event
    if record.due_since is not None:
        return Rank.of(RefreshReason.CHANGED, record.level, last_event=last_event)
    if record.details_at is None:
        return Rank.of(RefreshReason.UNREAD, record.level, last_event=last_event)
    return None if aged_at is None else Rank.aged(aged_at)


FAIR_TURN = 8
"""One turn in so many goes by waiting time alone."""

_LEAST_ENTRIES = 1000
"""A heap smaller than this is not worth building anew."""


class UserQueue:
    """Users of one priority. Whoever is put twice keeps their place among those who wait.

    A user who begins to wait behind n others is taken within `FAIR_TURN` x (n + 1) turns.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, Rank] = {}
        self._heap: list[tuple[Rank, str]] = []
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, user_id: str, rank: Rank) -> None:
        """Let a user wait, or wait with another rank."""
        if self._waiting.get(user_id) == rank:
            return
        self._waiting[user_id] = rank
        heappush(self._heap, (rank, user_id))
        if len(self._heap) > max(2 * len(self._waiting), _LEAST_ENTRIES):
            self._heap = [(rank, user_id) for user_id, rank in self._waiting.items()]
            heapify(self._heap)

    def discard(self, user_id: str) -> None:
        """Let a user wait no longer, if they did."""
        self._waiting.pop(user_id, None)

    def take(self) -> str | None:
        """The user whose turn it is, who waits no longer; None where nobody does."""
        if not self._waiting:
            return None
        self._turn += 1
        is_fair = self._turn % FAIR_TURN == 0
        user_id = next(iter(self._waiting)) if is_fair else self._most_urgent()
        del self._waiting[user_id]
        return user_id

    def _most_urgent(self) -> str:
        """The user of the smallest rank; entries of ranks gone by are dropped on the way."""
        while True:
            rank, user_id = heappop(self._heap)
            if self._waiting.get(user_id) == rank:
                return user_id


YOUNG_PART = 0.25
"""Details younger than this part of the maximal age are not read again."""


class RefreshSchedule:
    """When each listed user's details were last read, and when whom to read again.

    Turns are spread evenly over the rest of the maximal age, the oldest first: however many
    users were read at once, their next readings never bunch, and while nobody leaves everybody's
    turn comes before `max_age_seconds` are over.
    """

    def __init__(self, *, max_age_seconds: float) -> None:
        self._young_seconds = max_age_seconds * YOUNG_PART
        self._cycle_seconds = max_age_seconds - self._young_seconds
        self._read_at: dict[str, float] = {}
        self._last_turn_at: float | None = None

    def note(self, user_id: str, read_at: float) -> None:
        """Note when a user was read; readings are noted in the order they happened."""
        if self._read_at.get(user_id) != read_at:
            self._read_at.pop(user_id, None)
            self._read_at[user_id] = read_at

    def forget(self, user_id: str) -> None:
        """Give this user no turn before they are noted again."""
        self._read_at.pop(user_id, None)

    def seconds_until_turn(self, now: float) -> float:
        """How long until somebody's turn comes; 0: it has; infinity: there is nobody."""
        oldest = next(islice(self._read_at.values(), 1), None)
        if oldest is None:
            return float("inf")
        last_turn_at = self._last_turn(now)
        spread_until = last_turn_at + self._cycle_seconds / len(self._read_at)
        # An instant to come, from before the clock was set back, tells no age.
        young_until = oldest + self._young_seconds if oldest <= now else now
        return max(spread_until - now, young_until - now, 0.0)

    def take(self, now: float) -> str | None:
        """The user whose turn has come, who is forgotten with it; None where it is nobody's."""
        if self.seconds_until_turn(now) > 0.0:
            return None
        self._last_turn_at = now
        user_id = next(iter(self._read_at))
        self.forget(user_id)
        return user_id

    def _last_turn(self, now: float) -> float:
        """When the last turn was; at first, as if the newest reading had been one."""
        if self._last_turn_at is None:
            self._last_turn_at = next(reversed(self._read_at.values()), now)
        self._last_turn_at = min(self._last_turn_at, now)
        return self._last_turn_at


class Cooldowns:
    """Who rests until when, in Unix seconds."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._looked_at = float("-inf")

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._until

    def add(self, user_id: str, *, until: float) -> None:
        """Let a user rest; whoever rests already rests until the new instant instead."""
        self._until[user_id] = until
        heappush(self._heap, (until, user_id))

    def end(self, now: float) -> list[str]:
        """End all rests that are over, and say whose.

        When the clock was set back, all rests are: nobody could say how long they would last.
        """
        was_set_back = now < self._looked_at
        self._looked_at = now
        ended = []
        while self._heap and (was_set_back or self._heap[0][0] <= now):
            until, user_id = heappop(self._heap)
            if self._until.get(user_id) == until:
                del self._until[user_id]
                ended.append(user_id)
        return ended

    def seconds_until_next(self, now: float) -> float:
        """How long until the next rest may be over; infinity where nobody rests."""
        return self._heap[0][0] - now if self._heap else float("inf")
