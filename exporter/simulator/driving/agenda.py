"""What is due when, in simulated seconds since the start."""

import heapq
import itertools
import random
from collections.abc import Callable
from typing import TypeAlias

Deed: TypeAlias = Callable[[float], None]
"""Something that happens; it is told the simulated second at which it was due."""


class Agenda:
    """Deeds in the order they are due, so that no outcome depends on how often one looks."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Deed]] = []
        self._numbers = itertools.count()

    def plan(self, deed: Deed, *, at: float) -> None:
        """Let `deed` happen at simulated second `at`."""
        heapq.heappush(self._entries, (at, next(self._numbers), deed))

    def plan_often(self, deed: Deed, *, per_second: float, rng: random.Random) -> None:
        """Let `deed` happen again and again, by chance `per_second` times a second on average."""
        if per_second <= 0:
            return

        def happen(at: float) -> None:
            self.plan(happen, at=at + rng.expovariate(per_second))
            deed(at)

        self.plan(happen, at=rng.expovariate(per_second))

    def run_until(self, now: float) -> None:
        """Let everything happen that is due up to simulated second `now`."""
        while self._entries and self._entries[0][0] <= now:
            at, _, deed = heapq.heappop(self._entries)
            deed(at)
