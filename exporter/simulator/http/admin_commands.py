"""The commands of the admin API: their request models, and carrying them out."""

from pydantic import Field

from exporter.clock import Clock
from exporter.simulator.scenario.accounts import BehaviorSpec
from exporter.simulator.scenario.values import Name, Part
from exporter.simulator.world.account import Account
from exporter.simulator.world.configuration import Behavior
from exporter.simulator.world.generation import draw_uuid
from exporter.simulator.world.timestamps import SECOND_NS, Spelling, parse
from exporter.simulator.world.tokens import Token
from exporter.simulator.world.users import Event, User
from exporter.simulator.world.world import World, behavior_of


class AccountOrder(Part):
    """An order about an account, by name or id; the only one, unless said."""

    account: Name | None = None


class UserOrder(AccountOrder):
    """An order about a user, by id or email address."""

    user: Name


class EventOrder(UserOrder):
    """Let a user trigger `count` events of a behavior (a key).

    `level`, `timestamp` (RFC 3339, or Unix seconds to the microsecond) and `id`: the behavior's,
    now, and a new one, unless said. Several events ordered with one id and timestamp are alike
    in every way.
    """

    behavior: Name
    level: Name | None = None
    timestamp: float | str | None = None
    id: Name | None = None
    count: int = Field(default=1, ge=1, le=100_000)


class NewUserOrder(AccountOrder):
    """Add a user without any event."""

    email: Name
    name: str = ""


class BehaviorOrder(BehaviorSpec):
    """Add or change a behavior at once; what a scenario says of later does not apply."""

    account: Name | None = None


class SpendOrder(Part):
    """Let somebody else spend so many requests of a token (by name; the first, unless said)."""

    requests: int = Field(ge=1)
    token: Name | None = None


class OrderError(Exception):
    """The order cannot be carried out: each argument is one reason."""


class Overseer:
    """Changes a world as ordered."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    def trigger(self, order: EventOrder) -> list[Event]:
        """Let a user, who may have vanished, trigger events; return them."""
        account = self.find_account(order.account)
        user = self.find_user(order)
        behavior = account.behaviors.get(order.behavior)
        if behavior is None:
            raise OrderError(f"no such behavior: {order.behavior}")
        return [self._trigger(account, user, behavior, order) for _ in range(order.count)]

    def reset(self, order: UserOrder) -> None:
        """Clear a user's score, even one who has vanished."""
        self.find_account(order.account).reset(self.find_user(order), at_ns=self._now_ns())

    def vanish(self, order: UserOrder) -> None:
        """Delete a user."""
        self.find_account(order.account).vanish(self.find_user(order))

    def bring_back(self, order: UserOrder) -> None:
        """Let a deleted user be there again."""
        self.find_account(order.account).bring_back(self.find_user(order))

    def add_user(self, order: NewUserOrder) -> User:
        """Add a user without any event."""
        account = self.find_account(order.account)
        return account.add_user(draw_uuid(self._world.rng), email=order.email, name=order.name)

    def configure(self, order: BehaviorOrder) -> None:
        """Add or change a behavior."""
        behaviors = self.find_account(order.account).behaviors
        behaviors[order.key] = behavior_of(order, behaviors.get(order.key))

    def spend(self, order: SpendOrder) -> None:
        """Spend requests of a token."""
        token = self.find_token(order.token)
        token.quota.spend(self._clock.monotonic(), requests=order.requests)

    def find_account(self, name_or_id: str | None) -> Account:
        """Return the account; None is the only one."""
        if name_or_id is not None:
            account = self._world.find_account(name_or_id)
            if account is None:
                raise OrderError(f"no such account: {name_or_id}")
            return account
        if len(self._world.accounts) > 1:
            raise OrderError("there are several accounts: say which")
        return next(iter(self._world.accounts.values()))

    def find_token(self, name: str | None) -> Token:
        """Return the token with that name; None is the first."""
        if name is None:
            return next(iter(self._world.tokens.values()))
        token = self._world.find_token(name)
        if token is None:
            raise OrderError(f"no such token: {name}")
        return token

    def find_user(self, order: UserOrder) -> User:
        """Return the user, by id or email address."""
        account = self.find_account(order.account)
        by_email = (user for user in account.roll if user.email == order.user)
        user = account.users.get(order.user) or next(by_email, None)
        if user is None:
            raise OrderError(f"no such user in account {account.traits.name}: {order.user}")
        return user

    def _trigger(
        self, account: Account, user: User, behavior: Behavior, order: EventOrder
    ) -> Event:
        now_ns = self._now_ns()
        mint = self._world.mints[account.traits.account_id]
        event = mint.new_event(behavior, at_ns=now_ns, appeared_ns=now_ns, level=order.level)
        event.id = order.id or event.id
        if order.timestamp is not None:
            event.at_ns, event.spelling = _at_ns(order.timestamp), Spelling.NANOSECONDS
        account.trigger(user, event)
        return event

    def _now_ns(self) -> int:
        return round(self._clock.time() * SECOND_NS)


def _at_ns(timestamp: float | str) -> int:
    if not isinstance(timestamp, str):
        # What is finer than a microsecond is noise in a float of this size.
        return round(timestamp * 1e6) * 1000
    try:
        return parse(timestamp)
    except ValueError as error:
        raise OrderError(f"timestamp: {error}") from error
