"""The users an account begins with."""

import random

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.accounts import AccountSpec, EventSpec, UserSpec
from exporter.simulator.world.account import Account
from exporter.simulator.world.behaviors import Behavior
from exporter.simulator.world.events import Event
from exporter.simulator.world.identity import draw_uuid
from exporter.simulator.world.levels import rank
from exporter.simulator.world.minting import Mint
from exporter.simulator.world.people import invent_person
from exporter.simulator.world.rfc3339 import SECOND_NS, parse
from exporter.simulator.world.users import User


class Population:
    """Settles one account as its spec says, as of `now_ns`."""

    def __init__(
        self, account: Account, spec: AccountSpec, *, mint: Mint, rng: random.Random, now_ns: int
    ) -> None:
        self._account = account
        self._spec = spec
        self._mint = mint
        self._rng = rng
        self._now_ns = now_ns
        self._by_level: dict[str, list[Behavior]] = {}
        for behavior in account.behaviors.values():
            if behavior.enabled:
                self._by_level.setdefault(behavior.level, []).append(behavior)

    def settle(self) -> None:
        """Add the named users, then the invented ones.

        ConfigurationError where two of the named have one id.
        """
        for user in self._spec.named_users:
            self._settle_named(user)
        for number in range(1, self._spec.users + 1):
            self._settle_invented(number)

    def _settle_named(self, spec: UserSpec) -> None:
        user_id = spec.user_id or draw_uuid(self._rng)
        if user_id in self._account.users:
            raise ConfigurationError(f"two users have the id {user_id}")
        user = self._account.add_user(user_id, email=spec.email, name=spec.name)
        for event in spec.events:
            self._trigger(user, self._event_of(event))
        if spec.vanished:
            self._account.vanish(user)

    def _event_of(self, spec: EventSpec) -> Event:
        at_ns = parse(spec.at) if spec.at else self._now_ns - round(spec.ago * SECOND_NS)
        behavior = self._account.behaviors[spec.behavior]
        event = self._mint.new_event(
            behavior, at_ns=at_ns, appeared_ns=self._now_ns, level=spec.level
        )
        event.id = spec.id or event.id
        return event

    def _settle_invented(self, number: int) -> None:
        person = invent_person(self._rng, number=number)
        user = self._account.add_user(draw_uuid(self._rng), email=person.email, name=person.name)
        level = self._draw_level()
        if level is None:
            return
        self._trigger_past(user, self._by_level[level])
        for _ in range(self._rng.randrange(self._spec.events_per_user)):
            self._trigger_past(user, self._up_to(level))

    def _draw_level(self) -> str | None:
        """Draw a level from the mix; none where no enabled behavior has it."""
        mix, draw = self._spec.levels, self._rng.random()
        for level, share in (("high", mix.high), ("medium", mix.medium), ("low", mix.low)):
            if draw < share:
                return level if level in self._by_level else None
            draw -= share
        return None

    def _up_to(self, level: str) -> list[Behavior]:
        levels = sorted(other for other in self._by_level if rank(other) <= rank(level))
        return self._by_level[self._rng.choice(levels)]

    def _trigger_past(self, user: User, behaviors: list[Behavior]) -> None:
        at_ns = self._now_ns - round(self._rng.random() * self._spec.history * SECOND_NS)
        behavior = self._rng.choice(behaviors)
        event = self._mint.new_event(behavior, at_ns=at_ns, appeared_ns=at_ns)
        self._trigger(user, event)

    def _trigger(self, user: User, event: Event) -> None:
        event.is_initial = True
        self._account.trigger(user, event)
