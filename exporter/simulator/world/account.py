"""One account: its users and everything that can happen to them, and what each reader has seen."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.simulator.world.bodies import Piece, SummaryRows
from exporter.simulator.world.configuration import NO_LEVEL, Behavior, Integrations
from exporter.simulator.world.users import Event, Reset, User


@dataclass(frozen=True, slots=True)
class Baseline:
    """The first summary of a reader: its instant, and the last event of each listed user."""

    at_ns: int
    last_event_ns: dict[str, int]

    def precedes(self, user_id: str, at_ns: int) -> bool:
        """Return whether the baseline precedes an event of a user, so that the event counts."""
        last_event_ns = self.last_event_ns.get(user_id)
        return last_event_ns is None or at_ns > last_event_ns


@dataclass(frozen=True, slots=True)
class SummaryChanges:
    """The levels in a rendered summary that the reader has not seen before.

    `version` is that of the account at rendering. `baseline` is set for the first summary.
    """

    version: int
    levels: dict[str, str]
    baseline: Baseline | None = None


class ReaderView:
    """What one reader of an account has seen of its summaries.

    A reader is a token. The view has the reader's baseline, which is the first summary delivered
    completely, and the level changes from each of their summaries to the next. Its cost grows with
    what changed, not with the number of users.
    """

    def __init__(self) -> None:
        self.baseline: Baseline | None = None
        self.level_changes: Counter[tuple[str, str]] = Counter()
        self._levels: dict[str, str] = {}
        self._changed: dict[str, int] = {}

    def mark_changed(self, user_id: str, version: int) -> None:
        """Record that a user changed in that version of the account."""
        if self.baseline is not None:
            self._changed[user_id] = version

    def preview_summary(
        self, users: dict[str, User], *, version: int, at_ns: int
    ) -> SummaryChanges:
        """Return what a summary rendered now would show; the view changes in `record_summary`."""
        if self.baseline is None:
            listed = [user for user in users.values() if user.is_listed]
            baseline = Baseline(at_ns, {user.id: _last_event_ns(user) for user in listed})
            return SummaryChanges(version, _levels_of(listed), baseline)
        return SummaryChanges(version, _levels_of(users[user_id] for user_id in self._changed))

    def record_summary(self, changes: SummaryChanges) -> None:
        """Record that the summary with `changes` was delivered completely."""
        if self.baseline is None:
            self._begin(changes)
            return
        for user_id, level in changes.levels.items():
            before = self._levels.get(user_id, NO_LEVEL)
            if before != level:
                self.level_changes[before, level] += 1
                self._levels[user_id] = level
            if self._changed.get(user_id, 0) <= changes.version:
                self._changed.pop(user_id, None)

    def _begin(self, changes: SummaryChanges) -> None:
        if changes.baseline is not None:
            self.baseline = changes.baseline
            self._levels = dict(changes.levels)


def _levels_of(users: Iterable[User]) -> dict[str, str]:
    return {
        user.id: user.level if user.is_listed and user.level is not None else NO_LEVEL
        for user in users
    }


def _last_event_ns(user: User) -> int:
    return user.latest.at_ns if user.latest is not None else 0


@dataclass(frozen=True, slots=True)
class AccountTraits:
    """The constant properties of an account.

    - `is_entitled`: whether the plan includes risk scoring.
    - `page_size`: the number of summary rows on one page; None means that the summary is not paged.
    - `result_first`: whether `result` is the first field of the envelope.
    """

    account_id: str
    name: str
    is_entitled: bool = True
    page_size: int | None = None
    result_first: bool = True


class Account:
    """An account. Readers are numbered; each has a view from its first summary on."""

    def __init__(self, traits: AccountTraits, behaviors: tuple[Behavior, ...]) -> None:
        self.traits = traits
        self.behaviors = {behavior.key: behavior for behavior in behaviors}
        self.integrations = Integrations()
        self.users: dict[str, User] = {}
        self.user_list: list[User] = []
        self._summary_rows = SummaryRows()
        self._reader_views: dict[int, ReaderView] = {}
        self._version = 0

    def add_user(self, user_id: str, *, email: str, name: str) -> User:
        """Add a user without events. The id must be new."""
        user = User(user_id, email, name, ordinal=len(self.user_list))
        self.users[user_id] = user
        self.user_list.append(user)
        self._summary_rows.add(user)
        return user

    def trigger(self, user: User, event: Event) -> None:
        """Add an event to a user."""
        user.trigger(event)
        self._mark_changed(user)

    def reset(self, user: User, *, at_ns: int) -> Reset:
        """Clear the score of `user`."""
        reset = user.reset(at_ns=at_ns)
        self._mark_changed(user)
        return reset

    def vanish(self, user: User) -> None:
        """Delete a user, who keeps their events for a later return."""
        user.is_vanished = True
        self._mark_changed(user)

    def bring_back(self, user: User) -> None:
        """Restore a deleted user with the events they had."""
        user.is_vanished = False
        self._mark_changed(user)

    def forget_events(self, user: User, *, before_ns: int, at_ns: int) -> None:
        """Erase the user's events from before `before_ns`."""
        if user.forget_events(before_ns=before_ns, at_ns=at_ns):
            self._mark_changed(user)

    def configure(self, key: str, *, enabled: bool, level: str) -> None:
        """Configure a behavior of the account; existing events keep their level."""
        self.behaviors[key] = replace(self.behaviors[key], enabled=enabled, level=level)

    def summary_pieces(self) -> tuple[Piece, ...]:
        """Return the rows of all listed users, joined by commas."""
        return self._summary_rows.pieces()

    def summary_rows(self) -> list[bytes]:
        """Return the row of each listed user."""
        return self._summary_rows.rows()

    def preview_summary(self, reader: int, *, at_ns: int) -> SummaryChanges:
        """Return what a summary rendered now shows to a reader; see `record_summary`."""
        return self.reader_view(reader).preview_summary(
            self.users, version=self._version, at_ns=at_ns
        )

    def record_summary(self, reader: int, changes: SummaryChanges) -> None:
        """Record that the summary with `changes` was delivered to a reader."""
        self.reader_view(reader).record_summary(changes)

    def reader_view(self, reader: int) -> ReaderView:
        """Return the view of a reader."""
        return self._reader_views.setdefault(reader, ReaderView())

    def _mark_changed(self, user: User) -> None:
        self._version += 1
        self._summary_rows.invalidate(user)
        for reader_view in self._reader_views.values():
            reader_view.mark_changed(user.id, self._version)
