"""Build pollers from settings: one for each account, one governor for each distinct token."""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from exporter.app.runtime import Runtime
from exporter.chunked import run_chunked
from exporter.clock import to_unix_time
from exporter.cloudflare.client import CloudflareClient, Exchange, TokenSource, exposure
from exporter.cloudflare.wire import Operation
from exporter.logs import get_logger
from exporter.polling.account import AccountPoller
from exporter.polling.context import AccountContext, PollIntervals
from exporter.polling.governor import Governor
from exporter.polling.ledger_writer import DurableLedger, LedgerWriter
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.quota import Quota
from exporter.polling.resource import Resource
from exporter.polling.view import AccountView
from exporter.risk.model import RiskLevel
from exporter.risk.projection import Disclosure
from exporter.settings import AccountSettings, Settings
from exporter.status import PauseReason, ResourceName

_RESOURCE_OF = {
    Operation.LIST_SUMMARY: ResourceName.SUMMARY,
    Operation.GET_USER: ResourceName.USERS,
    Operation.GET_BEHAVIORS: ResourceName.BEHAVIORS,
    Operation.LIST_INTEGRATIONS: ResourceName.INTEGRATIONS,
}

_NOT_OF_POLLING = {
    *("accounts", "listen", "state", "web_config_file", "allowed_hosts", "enable_lifecycle"),
    *("log_level", "log_format"),
}
"""Settings that change nothing of how an account is polled and shown."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """A token's source and the governor of all accounts that use the token."""

    token: TokenSource
    governor: Governor


@dataclass(frozen=True, slots=True)
class PreparedAccount:
    """An account for which everything that can be refused was done.

    Two with equal `effective` are polled in the same way: it holds the settings of the account
    and those of polling, and a digest of the token.
    """

    account: AccountSettings
    access: Access
    ledger: DurableLedger
    resources: dict[ResourceName, Resource]
    client: CloudflareClient
    disclosure: Disclosure
    effective: object


async def build_pollers(settings: Settings, runtime: Runtime) -> tuple[AccountPoller, ...]:
    """Build a poller for each account and publish each account, with nothing polled yet.

    Raises ConfigurationError for a token that cannot be read, StateError for state that cannot.
    """
    prepared = await prepare_accounts(settings, runtime)
    apply_format(settings, runtime)
    return tuple([await build_poller(each, settings, runtime) for each in prepared])


def apply_format(settings: Settings, runtime: Runtime) -> None:
    """Expose metrics as the settings say from now on."""
    runtime.exposition.created_shown = settings.created_series
    runtime.telemetry.created_shown = settings.created_series


async def prepare_accounts(settings: Settings, runtime: Runtime) -> tuple[PreparedAccount, ...]:
    """Prepare every account without affecting running pollers or the exposition.

    Raises ConfigurationError for a token that cannot be read, StateError for state that cannot.
    """
    key = await runtime.store.pseudonym_key()
    ledgers = [await runtime.ledger(account.account_id) for account in settings.accounts]
    accesses = build_accesses(settings, runtime)
    polling = settings.model_dump(exclude=_NOT_OF_POLLING)
    prepared = []
    for account, ledger, access in zip(settings.accounts, ledgers, accesses, strict=True):
        resources = build_resources(account, settings, runtime)
        prepared.append(
            PreparedAccount(
                account=account,
                access=access,
                ledger=ledger,
                resources=resources,
                client=build_client(account, settings, runtime, access, resources),
                disclosure=build_disclosure(settings, key),
                effective=(account, _digest(access.token.current()), polling),
            )
        )
    return tuple(prepared)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def polls_per_second(settings: Settings, *, summary_pages: int = 1) -> float:
    """Return the rate of the requests that poll one account's summary and configuration."""
    configuration_resources = 2  # behaviors and integrations
    return (
        summary_pages / settings.poll_interval + configuration_resources / settings.config_interval
    )


def build_accesses(settings: Settings, runtime: Runtime) -> tuple[Access, ...]:
    """Return the access of each account, with one governor for each distinct token.

    Each quota reserves what its accounts' summaries and configuration need.
    """
    sources = [token_source(account) for account in settings.accounts]
    _warn_of_exposed_files(settings.accounts)
    tokens = [source.current() for source in sources]
    per_account = polls_per_second(settings)
    names: dict[str, list[str]] = {}
    for account, token in zip(settings.accounts, tokens, strict=True):
        names.setdefault(token, []).append(account.name)
    governors = {}
    runtime.report_rate_limit_pauses()
    for token, accounts in names.items():
        quota = runtime.quota(
            token, share=settings.api_share, reserved_per_second=per_account * len(accounts)
        )
        governor = runtime.governors.get(_digest(token)) or _governor(quota, accounts, runtime)
        governor.accounts = accounts
        governors[token] = governor
    runtime.governors.clear()
    runtime.governors.update({_digest(token): each for token, each in governors.items()})
    return tuple(
        Access(source, governors[token]) for source, token in zip(sources, tokens, strict=True)
    )


def _warn_of_exposed_files(accounts: Iterable[AccountSettings]) -> None:
    paths = (account.api_token_file for account in accounts)
    for path in dict.fromkeys(path for path in paths if path is not None):
        problem = exposure(path)
        if problem is not None:
            _log.warning("token_file.exposed", path=str(path), problem=problem)


def _governor(quota: Quota, accounts: Collection[str], runtime: Runtime) -> Governor:
    def tell(account: str, reason: PauseReason, seconds: float) -> None:
        runtime.telemetry.api_paused.labels(account, reason.label).inc(seconds)

    return Governor(quota, accounts=accounts, clock=runtime.clock, on_paused=tell)


def token_source(account: AccountSettings) -> TokenSource:
    """Return the source of the account's token. Raises ConfigurationError if it cannot be read."""
    if account.api_token is not None:
        return TokenSource.from_literal(account.api_token.get_secret_value())
    if account.api_token_file is None:
        raise TypeError("an account has a token or a token file")
    return TokenSource.from_file(account.api_token_file)


def build_disclosure(settings: Settings, pseudonym_key: bytes) -> Disclosure:
    """Return what may be exposed of users according to the settings."""
    return Disclosure(
        min_level=RiskLevel[settings.users_min_level.value.upper()],
        limit=settings.users_limit,
        identity=settings.identity,
        pseudonym_key=pseudonym_key,
    )


async def build_poller(
    prepared: PreparedAccount, settings: Settings, runtime: Runtime
) -> AccountPoller:
    """Build the poller of an account, publish the account, and return the poller.

    An earlier poller of the account must have ended.
    """
    account, durable, access = prepared.account, prepared.ledger, prepared.access
    pause = runtime.scrape_priority.yield_to_scrapes
    state = runtime.account_state(account.account_id)
    planner = Planner(max_age_seconds=settings.detail_max_age)
    await run_chunked(planner.load(durable.ledger.users.items()), pause)
    runtime.telemetry.register_account(account.name)
    runtime.telemetry.note_token(account.name, access.token.fingerprint)
    view = AccountView(
        account=account.name,
        durable=durable,
        state=state,
        disclosure=prepared.disclosure,
        telemetry=runtime.telemetry,
        clock=runtime.clock,
        pause=pause,
    )
    publisher = Publisher(
        account=account.name,
        exposition=runtime.exposition,
        telemetry=runtime.telemetry,
        clock=runtime.clock,
    )
    writer = LedgerWriter(
        account=account.name,
        durable=durable,
        view=view,
        publisher=publisher,
        planner=planner,
        store=runtime.store,
        telemetry=runtime.telemetry,
        pause=pause,
    )
    publisher.enqueue(await view.publication((), reselect=True))
    await publisher.publish()
    context = AccountContext(
        account=account.name,
        account_id=account.account_id,
        client=prepared.client,
        governor=access.governor,
        planner=planner,
        publisher=publisher,
        writer=writer,
        state=state,
        scrape_priority=runtime.scrape_priority,
        clock=runtime.clock,
        jitter=jitter,
    )
    frozen = runtime.telemetry.departures_frozen.labels(account.name)
    frozen.set_function(lambda: state.departures_frozen)
    return AccountPoller(context, prepared.resources, _intervals(settings))


def jitter() -> float:
    """Return a random number from 0 to 1."""
    return random.random()  # noqa: S311 (spreads retries, hides nothing)


def build_client(
    account: AccountSettings,
    settings: Settings,
    runtime: Runtime,
    access: Access,
    resources: Mapping[ResourceName, Resource],
) -> CloudflareClient:
    """Return a client of the account's API that reports each exchange.

    The governor learns of the quota, the telemetry of the request, the resource of its rows.
    """
    telemetry, clock = runtime.telemetry, runtime.clock

    def record_response(exchange: Exchange) -> None:
        access.governor.record_response(exchange)
        labels = (account.name, exchange.operation, exchange.outcome)
        telemetry.api_requests.labels(*labels).inc()
        telemetry.api_request_duration.labels(exchange.operation).observe(exchange.seconds)
        resources[_RESOURCE_OF[Operation(exchange.operation)]].note_rows(
            rows=exchange.rows,
            unreadable=exchange.unreadable_rows,
            operation=exchange.operation,
        )
        token = access.token.fingerprint
        telemetry.note_token(account.name, token)
        state = access.governor.state()
        # An exchange that ends after the token file was replaced says nothing of the new token.
        if state is not None and exchange.token == token:
            resets_at = to_unix_time(state.resets_at, clock)
            telemetry.api_quota_limit.labels(token).set(state.limit)
            telemetry.api_quota_remaining.labels(token).set(state.remaining)
            telemetry.api_quota_reset.labels(token).set(resets_at)

    return CloudflareClient(
        runtime.session,
        api_url=settings.api_url,
        token=access.token,
        timeout_seconds=settings.api_timeout,
        on_exchange=record_response,
        clock=clock,
    )


def build_resources(
    account: AccountSettings, settings: Settings, runtime: Runtime
) -> dict[ResourceName, Resource]:
    """Return the account's four resources, not polled yet."""
    intervals = {
        ResourceName.SUMMARY: settings.poll_interval,
        ResourceName.USERS: settings.detail_max_age,
        ResourceName.BEHAVIORS: settings.config_interval,
        ResourceName.INTEGRATIONS: settings.config_interval,
    }
    for name, interval in intervals.items():
        runtime.telemetry.poll_interval.labels(account.name, name).set(interval)
    return {
        name: Resource(name, account=account.name, telemetry=runtime.telemetry, clock=runtime.clock)
        for name in ResourceName
    }


def _intervals(settings: Settings) -> PollIntervals:
    return PollIntervals(
        summary=settings.poll_interval,
        configuration=settings.config_interval,
        data_max_age=settings.data_max_age,
    )
