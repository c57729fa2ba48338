"""Which details have grown old: whose turn to be read again has come, one at a time. Pure."""

from itertools import islice

YOUNG_PART = 0.25
"""Details younger than this part of the maximal age are not read again."""


class Ages:
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
