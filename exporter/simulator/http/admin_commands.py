"""The commands of the admin API: their request models, and carrying them out."""

from pydantic import Field

from exporter.clock import Clock
from exporter.simulator.scenario.accounts import BehaviorSpec
from exporter.simulator.scenario.values import Name, ScenarioModel
from exporter.simulator.world.account import Account
from exporter.simulator.world.configuration import Behavior
from exporter.simulator.world.generation import draw_uuid
from exporter.simulator.world.timestamps import SECOND_NS, TimestampFormat, parse_timestamp
from exporter.simulator.world.tokens import Token
from exporter.simulator.world.users import Event, User
from exporter.simulator.world.world import World, behavior_of


class AccountCommand(ScenarioModel):
    """A command for an account, by name or id; the default is the only account."""

    account: Name | None = None


class UserCommand(AccountCommand):
    """A command for a user, by id or email address."""

    user: Name


class TriggerCommand(UserCommand):
    """Let a user trigger `count` events of a behavior (a key).

    By default, `level` is the behavior's, `timestamp` is now, and each event has a new `id`. A
    timestamp is RFC 3339, or Unix seconds with microsecond precision. Events of one command with
    both id and timestamp are identical.
    """

    behavior: Name
    level: Name | None = None
    timestamp: float | str | None = None
    id: Name | None = None
    count: int = Field(default=1, ge=1, le=100_000)


class AddUserCommand(AccountCommand):
    """Add a user without events."""

    email: Name
    name: str = ""


class ConfigureCommand(BehaviorSpec):
    """Add or change a behavior immediately, ignoring the scenario's delayed changes."""

    account: Name | None = None


class SpendCommand(ScenarioModel):
    """Use requests of a token (a name; the default is the first token)."""

    requests: int = Field(ge=1)
    token: Name | None = None


class CommandError(Exception):
    """A command cannot be carried out; each argument is one reason."""


class AdminCommands:
    """Carries out commands on a world."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    def trigger(self, command: TriggerCommand) -> list[Event]:
        """Let a user, who may be deleted, trigger events; return them."""
        account = self.find_account(command.account)
        user = self.find_user(command)
        behavior = account.behaviors.get(command.behavior)
        if behavior is None:
            raise CommandError(f"no such behavior: {command.behavior}")
        return [self._trigger(account, user, behavior, command) for _ in range(command.count)]

    def reset(self, command: UserCommand) -> None:
        """Clear a user's score, even if the user is deleted."""
        self.find_account(command.account).reset(self.find_user(command), at_ns=self._now_ns())

    def vanish(self, command: UserCommand) -> None:
        """Delete a user."""
        self.find_account(command.account).vanish(self.find_user(command))

    def bring_back(self, command: UserCommand) -> None:
        """Restore a deleted user."""
        self.find_account(command.account).bring_back(self.find_user(command))

    def add_user(self, command: AddUserCommand) -> User:
        """Add a user without events."""
        account = self.find_account(command.account)
        return account.add_user(draw_uuid(self._world.rng), email=command.email, name=command.name)

    def configure(self, command: ConfigureCommand) -> None:
        """Add or change a behavior."""
        behaviors = self.find_account(command.account).behaviors
        behaviors[command.key] = behavior_of(command, behaviors.get(command.key))

    def spend(self, command: SpendCommand) -> None:
        """Use requests of a token."""
        token = self.find_token(command.token)
        token.quota.spend(self._clock.monotonic(), requests=command.requests)

    def find_account(self, name_or_id: str | None) -> Account:
        """Return an account by name or id; None means the only account."""
        if name_or_id is not None:
            account = self._world.find_account(name_or_id)
            if account is None:
                raise CommandError(f"no such account: {name_or_id}")
            return account
        if len(self._world.accounts) > 1:
            raise CommandError("several accounts exist; name one in account")
        return next(iter(self._world.accounts.values()))

    def find_token(self, name: str | None) -> Token:
        """Return a token by name; None means the first token."""
        if name is None:
            return next(iter(self._world.tokens.values()))
        token = self._world.find_token(name)
        if token is None:
            raise CommandError(f"no such token: {name}")
        return token

    def find_user(self, command: UserCommand) -> User:
        """Return a user by id or email address."""
        account = self.find_account(command.account)
        by_email = (user for user in account.user_list if user.email == command.user)
        user = account.users.get(command.user) or next(by_email, None)
        if user is None:
            raise CommandError(f"no such user in account {account.traits.name}: {command.user}")
        return user

    def _trigger(
        self, account: Account, user: User, behavior: Behavior, command: TriggerCommand
    ) -> Event:
        now_ns = self._now_ns()
        factory = self._world.event_factories[account.traits.account_id]
        event = factory.new_event(behavior, at_ns=now_ns, appeared_ns=now_ns, level=command.level)
        event.id = command.id or event.id
        if command.timestamp is not None:
            event.at_ns, event.timestamp_format = (
                _at_ns(command.timestamp),
                TimestampFormat.NANOSECONDS,
            )
        account.trigger(user, event)
        return event

    def _now_ns(self) -> int:
        return round(self._clock.time() * SECOND_NS)


def _at_ns(timestamp: float | str) -> int:
    if not isinstance(timestamp, str):
        # A float of this size has no precision below a microsecond.
        return round(timestamp * 1e6) * 1000
    try:
        return parse_timestamp(timestamp)
    except ValueError as error:
        raise CommandError(f"timestamp: {error}") from error
