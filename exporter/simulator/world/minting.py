"""New events of an account: their ids, spellings and details."""

import random
from collections.abc import Sequence

import msgspec

from exporter.simulator.world.behaviors import Behavior
from exporter.simulator.world.events import Event
from exporter.simulator.world.identity import draw_uuid
from exporter.simulator.world.rfc3339 import Spelling, rounded

_CITIES = ("Lisbon", "Nairobi", "Oslo", "Osaka", "Quito", "Perth", "Montréal")
_TRAVEL = "imp_travel"


class Mint:
    """Makes the events of one account, drawing from its own randomness.

    `ids_are_unique`: an event's id is its own; otherwise it is its behavior's key.
    """

    def __init__(
        self, rng: random.Random, *, ids_are_unique: bool, spellings: Sequence[Spelling]
    ) -> None:
        self._rng = rng
        self._ids_are_unique = ids_are_unique
        self._spellings = spellings

    def new_event(
        self, behavior: Behavior, *, at_ns: int, appeared_ns: int, level: str | None = None
    ) -> Event:
        """Return an event of `behavior` at its level, unless another is said."""
        spelling = self._rng.choice(self._spellings)
        return Event(
            id=draw_uuid(self._rng) if self._ids_are_unique else behavior.key,
            behavior=behavior.key,
            name=behavior.name,
            level=level or behavior.level,
            at_ns=rounded(at_ns, spelling),
            appeared_ns=appeared_ns,
            spelling=spelling,
            details=self._journey() if behavior.key == _TRAVEL else b"",
        )

    def _journey(self) -> bytes:
        start, end = self._rng.sample(_CITIES, 2)
        return msgspec.json.encode({"from": start, "to": end})
