"""Users who are left alone until an instant, because asking about them failed. Pure."""

from heapq import heappop, heappush


class Rests:
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
