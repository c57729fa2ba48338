"""The world: all accounts, tokens and faults, and building them from a scenario."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.accounts import AccountSpec, BehaviorSpec, EventSpec, UserSpec
from exporter.simulator.scenario.scenario import QuotaSpec, Scenario, TokenSpec
from exporter.simulator.world.account import Account, AccountTraits
from exporter.simulator.world.configuration import (
    PREDEFINED,
    Behavior,
    Integration,
    ReferenceTakenError,
    severity,
)
from exporter.simulator.world.faults import FaultRules
from exporter.simulator.world.generation import (
    EventFactory,
    draw_account_id,
    draw_token,
    draw_uuid,
    generate_person,
    seeded,
)
from exporter.simulator.world.timestamps import SECOND_NS, TimestampFormat, parse_timestamp
from exporter.simulator.world.tokens import Quota, QuotaPolicy, Token
from exporter.simulator.world.users import Event, User


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """The complete state of a simulated Cloudflare.

    - `accounts` and `event_factories` are by account id, `tokens` by value.
    - `sends_quota_headers`: whether responses have the headers of the quota.
    - `is_lenient`: whether requests are validated leniently; see `api.configuration`.
    - `rng`: for ids of what clients create; `ray_rng`: for CF-RAY headers.
    """

    accounts: Mapping[str, Account]
    event_factories: Mapping[str, EventFactory]
    tokens: Mapping[str, Token]
    faults: FaultRules
    rng: random.Random
    ray_rng: random.Random
    unknown_token_status: int
    sends_quota_headers: bool
    is_lenient: bool

    def find_account(self, name_or_id: str) -> Account | None:
        """Return the account with that name or id."""
        by_name = (one for one in self.accounts.values() if one.traits.name == name_or_id)
        return self.accounts.get(name_or_id) or next(by_name, None)

    def find_token(self, name: str) -> Token | None:
        """Return the token with that name."""
        return next((token for token in self.tokens.values() if token.name == name), None)


class UserGenerator:
    """Creates the initial users of one account as of `now_ns`."""

    def __init__(
        self,
        account: Account,
        spec: AccountSpec,
        *,
        event_factory: EventFactory,
        rng: random.Random,
        now_ns: int,
    ) -> None:
        self._account = account
        self._spec = spec
        self._event_factory = event_factory
        self._rng = rng
        self._now_ns = now_ns
        self._by_level: dict[str, list[Behavior]] = {}
        for behavior in account.behaviors.values():
            if behavior.enabled:
                self._by_level.setdefault(behavior.level, []).append(behavior)

    def generate(self) -> None:
        """Add the named users, then the generated ones.

        Raise ConfigurationError if two named users have the same id.
        """
        for user in self._spec.named_users:
            self._add_named(user)
        for number in range(1, self._spec.users + 1):
            self._add_generated(number)

    def _add_named(self, spec: UserSpec) -> None:
        user_id = spec.user_id or draw_uuid(self._rng)
        if user_id in self._account.users:
            raise ConfigurationError(f"two users have the id {user_id}")
        user = self._account.add_user(user_id, email=spec.email, name=spec.name)
        for event in spec.events:
            self._trigger(user, self._event_of(event))
        if spec.vanished:
            self._account.vanish(user)

    def _event_of(self, spec: EventSpec) -> Event:
        at_ns = parse_timestamp(spec.at) if spec.at else self._now_ns - round(spec.ago * SECOND_NS)
        behavior = self._account.behaviors[spec.behavior]
        event = self._event_factory.new_event(
            behavior, at_ns=at_ns, appeared_ns=self._now_ns, level=spec.level
        )
        event.id = spec.id or event.id
        return event

    def _add_generated(self, number: int) -> None:
        person = generate_person(self._rng, number=number)
        user = self._account.add_user(draw_uuid(self._rng), email=person.email, name=person.name)
        level = self._draw_level()
        if level is None:
            return
        self._trigger_past(user, self._by_level[level])
        for _ in range(self._rng.randrange(self._spec.events_per_user)):
            self._trigger_past(user, self._up_to(level))

    def _draw_level(self) -> str | None:
        """Return a random level of the mix, None if no enabled behavior has it."""
        mix, draw = self._spec.levels, self._rng.random()
        for level, share in (("high", mix.high), ("medium", mix.medium), ("low", mix.low)):
            if draw < share:
                return level if level in self._by_level else None
            draw -= share
        return None

    def _up_to(self, level: str) -> list[Behavior]:
        levels = sorted(other for other in self._by_level if severity(other) <= severity(level))
        return self._by_level[self._rng.choice(levels)]

    def _trigger_past(self, user: User, behaviors: list[Behavior]) -> None:
        at_ns = self._now_ns - round(self._rng.random() * self._spec.history * SECOND_NS)
        behavior = self._rng.choice(behaviors)
        event = self._event_factory.new_event(behavior, at_ns=at_ns, appeared_ns=at_ns)
        self._trigger(user, event)

    def _trigger(self, user: User, event: Event) -> None:
        event.is_initial = True
        self._account.trigger(user, event)


def build_world(scenario: Scenario, *, now_ns: int, monotonic: float) -> World:
    """Return the world of a scenario; equal arguments give an equal world.

    Raise ConfigurationError if the parts of the scenario contradict each other.
    """
    accounts, event_factories = {}, {}
    for spec in scenario.accounts:
        account_id = spec.account_id or _account_id(spec.name, scenario.seed)
        if account_id in accounts:
            raise ConfigurationError(f"two accounts have the id {account_id}")
        event_factory = _event_factory(spec, scenario.seed)
        account = _build_account(
            spec, account_id, seed=scenario.seed, event_factory=event_factory, now_ns=now_ns
        )
        accounts[account_id], event_factories[account_id] = account, event_factory
    ids = {account.traits.name: account_id for account_id, account in accounts.items()}
    world = World(
        accounts=accounts,
        event_factories=event_factories,
        tokens=_tokens(scenario, ids),
        faults=FaultRules(seeded(scenario.seed, "faults")),
        rng=seeded(scenario.seed, "created"),
        ray_rng=seeded(scenario.seed, "rays"),
        unknown_token_status=scenario.unknown_token_status,
        sends_quota_headers=scenario.quota.headers,
        is_lenient=scenario.validation == "lenient",
    )
    for fault in scenario.faults:
        world.faults.add(fault, now=monotonic)
    return world


def behavior_of(spec: BehaviorSpec, base: Behavior | None) -> Behavior:
    """Return `base` changed as `spec` describes, or a new behavior if there is no base."""
    base = base or Behavior(spec.key, spec.key, "", enabled=True, level="low")
    return Behavior(
        key=spec.key,
        name=base.name if spec.name is None else spec.name,
        description=base.description if spec.description is None else spec.description,
        enabled=base.enabled if spec.enabled is None else spec.enabled,
        level=base.level if spec.level is None else spec.level,
    )


def _account_id(name: str, seed: int) -> str:
    return draw_account_id(seeded(seed, name, "account"))


def _event_factory(spec: AccountSpec, seed: int) -> EventFactory:
    is_plain = spec.timestamps == "plain"
    return EventFactory(
        seeded(seed, spec.name, "events"),
        ids_are_unique=spec.event_ids == "unique",
        timestamp_formats=(TimestampFormat.MILLISECONDS,) if is_plain else tuple(TimestampFormat),
    )


def _build_account(
    spec: AccountSpec, account_id: str, *, seed: int, event_factory: EventFactory, now_ns: int
) -> Account:
    traits = AccountTraits(
        account_id=account_id,
        name=spec.name,
        is_entitled=spec.entitled,
        page_size=spec.page_size,
        result_first=spec.result_first,
    )
    account = Account(traits, _behaviors_at_start(spec))
    _check_events(spec, account)
    _add_integrations(account, spec, seed=seed, now_ns=now_ns)
    rng = seeded(seed, spec.name, "people")
    UserGenerator(account, spec, event_factory=event_factory, rng=rng, now_ns=now_ns).generate()
    return account


def _behaviors_at_start(spec: AccountSpec) -> tuple[Behavior, ...]:
    behaviors = {one.key: one for one in PREDEFINED} if spec.predefined_behaviors else {}
    for change in spec.behaviors:
        if not change.appears_after:
            behaviors[change.key] = behavior_of(change, behaviors.get(change.key))
    return tuple(behaviors.values())


def _check_events(spec: AccountSpec, account: Account) -> None:
    for user in spec.named_users:
        for event in user.events:
            if event.behavior not in account.behaviors:
                raise ConfigurationError(
                    f"account {spec.name!r} has no behavior {event.behavior!r} at the start"
                )
            try:
                parse_timestamp(event.at or "1970-01-01T00:00:00Z")
            except ValueError as error:
                raise ConfigurationError(f"account {spec.name!r}: {error}") from error


def _add_integrations(account: Account, spec: AccountSpec, *, seed: int, now_ns: int) -> None:
    rng = seeded(seed, spec.name, "integrations")
    for part in spec.integrations:
        integration = Integration(
            id=part.integration_id or draw_uuid(rng),
            integration_type="Okta",
            tenant_url=part.tenant_url,
            reference_id=part.reference_id or draw_uuid(rng),
            is_active=part.active,
            created_ns=now_ns,
        )
        try:
            account.integrations.put(integration)
        except ReferenceTakenError as error:
            raise ConfigurationError(
                f"account {spec.name!r}: two integrations have one reference_id"
            ) from error


def _tokens(scenario: Scenario, ids: dict[str, str]) -> dict[str, Token]:
    tokens = {}
    for reader, spec in enumerate(scenario.tokens):
        token = _token(spec, reader, scenario=scenario, ids=ids)
        if token.value in tokens:
            raise ConfigurationError("two tokens have the same value")
        tokens[token.value] = token
    return tokens


def _token(spec: TokenSpec, reader: int, *, scenario: Scenario, ids: dict[str, str]) -> Token:
    accounts = spec.accounts
    return Token(
        name=spec.name,
        value=spec.token or draw_token(seeded(scenario.seed, spec.name, "token")),
        reader=reader,
        permissions=frozenset(spec.permissions),
        accounts=None if accounts is None else frozenset(ids.get(one, one) for one in accounts),
        quota=Quota(_quota_policies(scenario.quota)),
        email=None if spec.email is None else spec.email.lower(),
    )


def _quota_policies(spec: QuotaSpec) -> tuple[QuotaPolicy, ...]:
    default = QuotaPolicy("default", spec.requests, spec.window)
    if spec.burst is None:
        return (default,)
    return (default, QuotaPolicy("burst", spec.burst.requests, spec.burst.window))
