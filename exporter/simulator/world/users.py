"""Users, their risk events and their resets."""

import msgspec

from exporter.simulator.world.configuration import highest, severity
from exporter.simulator.world.timestamps import TimestampFormat


class Event(msgspec.Struct, gc=False):
    """A risk event and its history.

    - `at_ns`: when it happened; `appeared_ns`: when the API first returned it.
    - `is_initial`: it existed before the simulator started.
    - `shown_to`: bit n is set once a details response with it was delivered to reader n.
    - `erased_ns`: when a reset or its age erased it; 0 if it still exists.
    """

    id: str
    behavior: str
    name: str
    level: str
    at_ns: int
    appeared_ns: int
    timestamp_format: TimestampFormat = TimestampFormat.MILLISECONDS
    details: bytes = b""
    is_initial: bool = False
    shown_to: int = 0
    first_shown_ns: int = 0
    erased_ns: int = 0

    def mark_shown(self, reader: int, *, at_ns: int) -> None:
        """Record that a response with this event was delivered to a reader."""
        self.first_shown_ns = self.first_shown_ns or at_ns
        self.shown_to |= 1 << reader

    def was_shown_to(self, reader: int) -> bool:
        """Return whether this event was ever delivered to a reader."""
        return bool(self.shown_to >> reader & 1)


class Reset(msgspec.Struct, gc=False):
    """A reset of a score; `shown_to` is that of an event."""

    at_ns: int
    shown_to: int = 0

    def mark_shown(self, reader: int) -> None:
        """Record that this reset was delivered to a reader."""
        self.shown_to |= 1 << reader

    def was_shown_to(self, reader: int) -> bool:
        """Return whether this reset was ever delivered to a reader."""
        return bool(self.shown_to >> reader & 1)


class User:
    """A user of an account, with or without a risk level.

    - `events`: the existing ones in the order they appeared; `erased`: the erased ones.
    - `level`: the highest level of the existing events; None without any, and then the user is not
      listed.
    - `is_vanished`: the user is deleted; their events are kept for a later return.
    - `ordinal`: the index among the account's users; `row`: the cached summary row.
    """

    __slots__ = (
        "email",
        "erased",
        "events",
        "id",
        "is_vanished",
        "latest",
        "level",
        "name",
        "ordinal",
        "resets",
        "row",
    )

    def __init__(self, user_id: str, email: str, name: str, *, ordinal: int) -> None:
        self.id = user_id
        self.email = email
        self.name = name
        self.ordinal = ordinal
        self.events: list[Event] = []
        self.erased: list[Event] = []
        self.resets: list[Reset] = []
        self.level: str | None = None
        self.latest: Event | None = None
        self.is_vanished = False
        self.row: bytes | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the summary has a row for the user."""
        return self.level is not None and not self.is_vanished

    @property
    def last_reset(self) -> Reset | None:
        """The latest reset, if any."""
        return self.resets[-1] if self.resets else None

    def trigger(self, event: Event) -> None:
        """Add `event`; it becomes the latest only if no later one exists."""
        self.events.append(event)
        if self.latest is None or event.at_ns >= self.latest.at_ns:
            self.latest = event
        if self.level is None or severity(event.level) > severity(self.level):
            self.level = event.level

    def reset(self, *, at_ns: int) -> Reset:
        """Clear the score: erase all events, so that the user is not listed."""
        reset = Reset(at_ns=at_ns)
        self.resets.append(reset)
        self._erase(self.events, at_ns=at_ns)
        return reset

    def forget_events(self, *, before_ns: int, at_ns: int) -> bool:
        """Erase the events from before `before_ns`; return whether there were any."""
        old = [event for event in self.events if event.at_ns < before_ns]
        self._erase(old, at_ns=at_ns)
        return bool(old)

    def _erase(self, events: list[Event], *, at_ns: int) -> None:
        for event in events:
            event.erased_ns = at_ns
        self.erased.extend(events)
        self.events = [event for event in self.events if not event.erased_ns]
        self.latest = max(self.events, key=lambda event: event.at_ns, default=None)
        self.level = highest(event.level for event in self.events)
