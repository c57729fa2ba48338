"""One account: its users, behaviors and integrations, and everything that can happen to them."""

from dataclasses import dataclass, replace

from exporter.simulator.world.behaviors import Behavior
from exporter.simulator.world.body import Piece
from exporter.simulator.world.events import Event, Reset
from exporter.simulator.world.integrations import Integrations
from exporter.simulator.world.listing import Listing
from exporter.simulator.world.users import User
from exporter.simulator.world.witness import View, Witness


@dataclass(frozen=True, slots=True)
class AccountTraits:
    """What stays as it is.

    - `is_entitled`: whether the plan has risk scoring at all.
    - `page_size`: rows on one page of the summary; None: the summary is not paged.
    - `result_first`: whether `result` stands before the rest of the envelope.
    """

    account_id: str
    name: str
    is_entitled: bool = True
    page_size: int | None = None
    result_first: bool = True


class Account:
    """A whole account; readers are numbered, and each has a witness once they have read."""

    def __init__(self, traits: AccountTraits, behaviors: tuple[Behavior, ...]) -> None:
        self.traits = traits
        self.behaviors = {behavior.key: behavior for behavior in behaviors}
        self.integrations = Integrations()
        self.users: dict[str, User] = {}
        self.roll: list[User] = []
        self._listing = Listing()
        self._witnesses: dict[int, Witness] = {}
        self._version = 0

    def add_user(self, user_id: str, *, email: str, name: str) -> User:
        """Add a user without any event; ids are unique."""
        user = User(user_id, email, name, ordinal=len(self.roll))
        self.users[user_id] = user
        self.roll.append(user)
        self._listing.add(user)
        return user

    def trigger(self, user: User, event: Event) -> None:
        """Let `event` of `user` appear."""
        user.trigger(event)
        self._touch(user)

    def reset(self, user: User, *, at_ns: int) -> Reset:
        """Clear the score of `user`."""
        reset = user.reset(at_ns=at_ns)
        self._touch(user)
        return reset

    def vanish(self, user: User) -> None:
        """Let the account have no such user for now."""
        user.is_vanished = True
        self._touch(user)

    def bring_back(self, user: User) -> None:
        """Let a vanished user be there again, with the events they had."""
        user.is_vanished = False
        self._touch(user)

    def forget_events(self, user: User, *, before_ns: int, at_ns: int) -> None:
        """Let the user's events from before `before_ns` age out."""
        if user.forget_events(before_ns=before_ns, at_ns=at_ns):
            self._touch(user)

    def configure(self, key: str, *, enabled: bool, level: str) -> None:
        """Set a behavior the account has; events that stand stay as they are."""
        self.behaviors[key] = replace(self.behaviors[key], enabled=enabled, level=level)

    def summary_pieces(self) -> tuple[Piece, ...]:
        """Return the rows of all listed users, joined by commas."""
        return self._listing.pieces()

    def summary_rows(self) -> list[bytes]:
        """Each row of a listed user."""
        return self._listing.rows()

    def look(self, reader: int, *, at_ns: int) -> View:
        """What a summary rendered now tells that reader; `learn` it once it has gone out."""
        return self.witness(reader).look(self.users, version=self._version, at_ns=at_ns)

    def learn(self, reader: int, view: View) -> None:
        """Let the reader have read `view`."""
        self.witness(reader).learn(view)

    def witness(self, reader: int) -> Witness:
        """What that reader has been told so far."""
        return self._witnesses.setdefault(reader, Witness())

    def _touch(self, user: User) -> None:
        self._version += 1
        self._listing.touch(user)
        for witness in self._witnesses.values():
            witness.notice(user.id, self._version)
