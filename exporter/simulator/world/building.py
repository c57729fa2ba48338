"""A world as a scenario describes it."""

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.accounts import AccountSpec, BehaviorSpec
from exporter.simulator.scenario.root import QuotaSpec, Scenario, TokenSpec
from exporter.simulator.world.account import Account, AccountTraits
from exporter.simulator.world.behaviors import PREDEFINED, Behavior
from exporter.simulator.world.faultbook import FaultBook
from exporter.simulator.world.identity import draw_account_id, draw_token, draw_uuid, seeded
from exporter.simulator.world.integrations import Integration, ReferenceTakenError
from exporter.simulator.world.minting import Mint
from exporter.simulator.world.population import Population
from exporter.simulator.world.quota import Allowance, Quota
from exporter.simulator.world.rfc3339 import Spelling, parse
from exporter.simulator.world.tokens import Token
from exporter.simulator.world.world import World


def build_world(scenario: Scenario, *, now_ns: int, monotonic: float) -> World:
    """Build the world; the same scenario at the same instants gives the same one.

    ConfigurationError where the parts of the scenario do not fit together.
    """
    accounts, mints = {}, {}
    for spec in scenario.accounts:
        account_id = spec.account_id or _account_id(spec.name, scenario.seed)
        if account_id in accounts:
            raise ConfigurationError(f"two accounts have the id {account_id}")
        mint = _mint(spec, scenario.seed)
        account = _build_account(spec, account_id, seed=scenario.seed, mint=mint, now_ns=now_ns)
        accounts[account_id], mints[account_id] = account, mint
    ids = {account.traits.name: account_id for account_id, account in accounts.items()}
    world = World(
        accounts=accounts,
        mints=mints,
        tokens=_tokens(scenario, ids),
        faults=FaultBook(seeded(scenario.seed, "faults")),
        rng=seeded(scenario.seed, "created"),
        ray_rng=seeded(scenario.seed, "rays"),
        unknown_token_status=scenario.unknown_token_status,
        tells_quota=scenario.quota.headers,
        is_lenient=scenario.validation == "lenient",
    )
    for fault in scenario.faults:
        world.faults.add(fault, now=monotonic)
    return world


def behavior_of(spec: BehaviorSpec, base: Behavior | None) -> Behavior:
    """Return `base` changed as `spec` says; without a base, a new behavior."""
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


def _mint(spec: AccountSpec, seed: int) -> Mint:
    is_plain = spec.timestamps == "plain"
    return Mint(
        seeded(seed, spec.name, "events"),
        ids_are_unique=spec.event_ids == "unique",
        spellings=(Spelling.MILLISECONDS,) if is_plain else tuple(Spelling),
    )


def _build_account(
    spec: AccountSpec, account_id: str, *, seed: int, mint: Mint, now_ns: int
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
    _integrate(account, spec, seed=seed, now_ns=now_ns)
    rng = seeded(seed, spec.name, "people")
    Population(account, spec, mint=mint, rng=rng, now_ns=now_ns).settle()
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
                parse(event.at or "1970-01-01T00:00:00Z")
            except ValueError as error:
                raise ConfigurationError(f"account {spec.name!r}: {error}") from error


def _integrate(account: Account, spec: AccountSpec, *, seed: int, now_ns: int) -> None:
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
        quota=Quota(_allowances(scenario.quota)),
        email=None if spec.email is None else spec.email.lower(),
    )


def _allowances(spec: QuotaSpec) -> tuple[Allowance, ...]:
    default = Allowance("default", spec.requests, spec.window)
    if spec.burst is None:
        return (default,)
    return (default, Allowance("burst", spec.burst.requests, spec.burst.window))
