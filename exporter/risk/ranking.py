"""Users in the order of their urgency, kept as they change without looking at everybody."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Self

import msgspec

from exporter.risk.model import UserSummary
from exporter.steps import Steps, in_slices

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

    def tidy(self, *, current: int) -> Steps[None]:
        """Forget places gone by once they outnumber the `current` ones that hold."""
        if len(self._places) <= 2 * current + _LEAST_ENTRIES:
            return
        kept: list[Place] = []
        for some in in_slices(self._places):
            kept += filter(self._is_current, some)
            yield
        heapify(kept)
        self._places = kept
