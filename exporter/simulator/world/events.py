"""Risk events, and marks of who has been shown what."""

import msgspec

from exporter.simulator.world.rfc3339 import Spelling


class Event(msgspec.Struct, gc=False):
    """One risk event, and its fate.

    - `at_ns`: when it happened; `appeared_ns`: when the API first knew of it.
    - `is_initial`: it was there before the simulator started.
    - `shown_to`: bit n is set once a details answer with it has gone out whole to reader n.
    - `erased_ns`: when a reset (or age) removed it; 0 while it stands.
    """

    id: str
    behavior: str
    name: str
    level: str
    at_ns: int
    appeared_ns: int
    spelling: Spelling = Spelling.MILLISECONDS
    details: bytes = b""
    is_initial: bool = False
    shown_to: int = 0
    first_shown_ns: int = 0
    erased_ns: int = 0

    def mark_shown(self, reader: int, *, at_ns: int) -> None:
        """Remember that reader number `reader` was answered with this event."""
        self.first_shown_ns = self.first_shown_ns or at_ns
        self.shown_to |= 1 << reader

    def was_shown_to(self, reader: int) -> bool:
        """Whether reader number `reader` was ever answered with this event."""
        return bool(self.shown_to >> reader & 1)


class Reset(msgspec.Struct, gc=False):
    """One clearing of a user's score; the marks are those of an event."""

    at_ns: int
    shown_to: int = 0

    def mark_shown(self, reader: int) -> None:
        """Remember that reader number `reader` was told of this reset."""
        self.shown_to |= 1 << reader

    def was_shown_to(self, reader: int) -> bool:
        """Whether reader number `reader` was ever told of this reset."""
        return bool(self.shown_to >> reader & 1)
