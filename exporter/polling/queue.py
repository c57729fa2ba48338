"""Users who wait to be asked about, most urgent first, and fair to those who are not. Pure."""

from heapq import heapify, heappop, heappush

from exporter.polling.rank import Rank

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
