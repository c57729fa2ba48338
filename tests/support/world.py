"""A small world whose risk events are known, and the truth an exporter of it should tell.

Knows nothing of keys, marks or names' identities: an event is told from others by what it was
made of, and the truth is a count of events in the answers that were given.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import structs

from exporter.risk.model import (
    Behavior,
    RiskEvent,
    RiskLevel,
    SummaryReading,
    UserDetails,
    UserSummary,
)

STRANGER = "stranger"
"""A behavior that no configuration ever names; its events keep their own name as label."""


class Token(NamedTuple):
    """What an event is made of; two events of one token are alike in all."""

    id: str
    behavior: str
    timestamp: float


@dataclass
class WorldEvent:
    """An event as the API has it; `is_shown` is whether answers hold it just now."""

    token: Token
    name: str
    level: RiskLevel
    is_shown: bool = True


@dataclass
class WorldUser:
    """A user as the API has them. `resets` counts them all; the latest was at `last_reset`."""

    user_id: str
    events: list[WorldEvent] = field(default_factory=list)
    is_listed: bool = False
    last_reset: float | None = None
    resets: int = 0
    name_version: int = 0

    def row(self) -> UserSummary:
        """Their row of the summary."""
        shown = [event for event in self.events if event.is_shown]
        return UserSummary(
            self.user_id,
            f"{self.user_id}@example.com",
            f"{self.user_id} v{self.name_version}",
            len(shown),
            max((event.token.timestamp for event in shown), default=0.0),
            max((event.level for event in shown), default=RiskLevel.LOW),
        )


class Answer(NamedTuple):
    """A user's details as they were at one time: the events shown, and the resets until then."""

    events: tuple[WorldEvent, ...]
    last_reset: float | None
    resets: int

    def details(self) -> UserDetails:
        """As the exporter reads it."""
        events = tuple(
            RiskEvent(event.token.id, event.name, event.level, event.token.timestamp)
            for event in self.events
        )
        return UserDetails("", "", events, self.last_reset)


class World:
    """The API's side: users, events, behaviors and the time."""

    def __init__(self, user_ids: Iterable[str], behaviors: Iterable[str]) -> None:
        self.now = 1_700_000_000.0
        self.users = {user_id: WorldUser(user_id) for user_id in user_ids}
        self.names = {key: f"{key} v0" for key in behaviors}
        self._versions = 0
        self._history: dict[str, list[Answer]] = {user_id: [] for user_id in self.users}

    def configured(self) -> list[Behavior]:
        """The behaviors as the API tells them."""
        return [
            Behavior(key, name, "", enabled=True, level=RiskLevel.LOW)
            for key, name in self.names.items()
        ]

    def trigger(self, user_id: str, token: Token, level: RiskLevel, *, copies: int) -> None:
        """Let events happen, alike in all but number; the user is listed from then on.

        The API gives all events of one token the same level.
        """
        user = self.users[user_id]
        name = self.names.get(token.behavior, token.behavior)
        for event in user.events:
            if event.token == token:
                level, name = event.level, event.name
        user.events += [WorldEvent(token, name, level) for _ in range(copies)]
        user.is_listed = True

    def show(self, user_id: str, *, every: int, is_shown: bool) -> None:
        """Let every so-manieth event vanish from answers, or appear in them again."""
        for event in self.users[user_id].events[::every]:
            event.is_shown = is_shown

    def reset(self, user_id: str, *, is_forgetting: bool) -> None:
        """Clear the user's score: they are not listed until they trigger again."""
        user = self.users[user_id]
        user.is_listed = False
        user.last_reset = self.now
        user.resets += 1
        if is_forgetting:
            self.show(user_id, every=1, is_shown=False)

    def relevel(self, user_id: str, level: RiskLevel) -> None:
        """Give one token's events of a user another level."""
        events = self.users[user_id].events
        for event in events:
            if event.token == events[0].token:
                event.level = level

    def rename(self, key: str, *, is_retroactive: bool) -> None:
        """Give a behavior a name nobody had; whoever reads events has read it before."""
        self._versions += 1
        before, self.names[key] = self.names[key], f"{key} v{self._versions}"
        for user in self.users.values():
            for event in user.events:
                if is_retroactive and event.name == before:
                    event.name = self.names[key]

    def answer(self, user_id: str, *, age: int = 0) -> Answer:
        """The user's details now, or as they were that many questions ago."""
        user = self.users[user_id]
        shown = tuple(deepcopy(event) for event in user.events if event.is_shown)
        history = self._history[user_id]
        history.append(Answer(shown, user.last_reset, user.resets))
        return history[max(len(history) - 1 - age, 0)]


class Truth:
    """What an exporter that was given these answers should have counted."""

    def __init__(self) -> None:
        self.is_begun = False
        self.level_changes: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        self.levels: dict[str, RiskLevel] = {}
        self.resets = 0
        self._baseline: dict[str, float] = {}
        self._resets_known: dict[str, int] = {}
        self._counted: dict[str, dict[Token, list[tuple[str, RiskLevel]]]] = {}

    def begin(self, world: World, kept: Iterable[str]) -> None:
        """The first summary: what it lists, and every reset so far, is nothing new."""
        self.is_begun = True
        for user in world.users.values():
            self._resets_known[user.user_id] = user.resets
            if user.is_listed:
                self._baseline[user.user_id] = user.row().last_event
                self.levels[user.user_id] = user.row().level
        for user_id in kept:
            self._baseline[user_id] = world.now
            self.levels.pop(user_id, None)
        self._unread = set(kept)

    def summarise(self, world: World, kept: Iterable[str], *, absence_is_proof: bool) -> None:
        """A later summary: who moved between levels since the one before."""
        kept = set(kept)
        for user in world.users.values():
            if user.user_id in kept or not (user.is_listed or absence_is_proof):
                continue
            before = self.levels.pop(user.user_id, RiskLevel.NONE)
            after = user.row().level if user.is_listed else RiskLevel.NONE
            is_first_reading = user.is_listed and user.user_id in self._unread
            if user.is_listed:
                self.levels[user.user_id] = after
                self._unread.discard(user.user_id)
            if before is not after and not is_first_reading:
                self.level_changes[before, after] += 1

    def read(self, user_id: str, answer: Answer, names: Iterable[str]) -> None:
        """A user's details: of each token, as many count as ever stood in one answer."""
        counted = self._counted.setdefault(user_id, {})
        copies: Counter[Token] = Counter()
        for event in answer.events:
            if event.token.timestamp <= self._baseline.get(user_id, float("-inf")):
                continue
            copies[event.token] += 1
            of_token = counted.setdefault(event.token, [])
            if len(of_token) < copies[event.token]:
                key = event.token.behavior
                of_token.append((key if key in names else event.name, event.level))
        if answer.resets > self._resets_known.get(user_id, 0):
            self._resets_known[user_id] = answer.resets
            self.resets += 1

    def counts_of(self, user_id: str) -> Counter[tuple[str, RiskLevel]]:
        """A user's counters."""
        tokens = self._counted.get(user_id, {})
        return Counter(pair for pairs in tokens.values() for pair in pairs)

    def counts(self) -> Counter[tuple[str, RiskLevel]]:
        """The account's counters."""
        return sum((self.counts_of(user_id) for user_id in self._counted), Counter())


def sliced(
    world: World,
    kept: frozenset[str],
    *,
    nobodys_rows: int,
    doubled: Sequence[str],
    slices: int,
) -> list[SummaryReading]:
    """The summary of now, in slices.

    The rows of `kept` could not be read, nor `nobodys_rows` more that do not say whose they are;
    those of `doubled` come a second time with an older event.
    """
    rows = [
        user.row() for user in world.users.values() if user.is_listed and user.user_id not in kept
    ]
    rows += [
        structs.replace(row, event_count=9, last_event=row.last_event - 1.0)
        for row in rows
        if row.user_id in doubled
    ]
    readings = [SummaryReading(tuple(rows[start::slices])) for start in range(slices)]
    return [*readings, SummaryReading((), unreadable=len(kept) + nobodys_rows, kept=kept)]
