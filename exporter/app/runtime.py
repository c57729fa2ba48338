"""The resources shared by the pollers of all accounts, opened together and closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from aiohttp import ClientSession

from exporter.clock import Clock
from exporter.cloudflare.client import open_session
from exporter.exposition import Exposition
from exporter.polling.governor import Governor
from exporter.polling.ledger_writer import DurableLedger
from exporter.polling.quota import Quota
from exporter.polling.resource import AccountState
from exporter.scrape_priority import ScrapePriority
from exporter.settings import MemoryState, Settings, State
from exporter.store import Store, open_store
from exporter.telemetry import Telemetry

UNLIMITED = 0
"""The limit of connections: each account's pollers bound their own, so that none waits."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What outlives a reload of the configuration.

    `ledgers` and `account_states` are by account id: an account that stays configured keeps its
    ledger, and its gauges. `quotas` are by token, see `quota`: a 429 holds over a reload, too.
    `governors` are those of the configuration in force, one for each token, by its digest.
    """

    session: ClientSession
    store: Store
    exposition: Exposition
    telemetry: Telemetry
    scrape_priority: ScrapePriority
    clock: Clock
    ledgers: dict[str, DurableLedger] = field(default_factory=dict)
    account_states: dict[str, AccountState] = field(default_factory=dict)
    quotas: dict[bytes, Quota] = field(default_factory=dict)
    governors: dict[bytes, Governor] = field(default_factory=dict)

    async def ledger(self, account_id: str) -> DurableLedger:
        """Return the ledger of one account, loaded at its first use. Raises StateError."""
        durable = self.ledgers.get(account_id)
        if durable is None:
            durable = DurableLedger(
                account_id,
                await self.store.load(account_id, now=self.clock.time()),
                self.store,
                clock=self.clock,
                pause=self.scrape_priority.yield_to_scrapes,
            )
            self.ledgers[account_id] = durable
        return durable

    def account_state(self, account_id: str) -> AccountState:
        """Return the state of one account."""
        return self.account_states.setdefault(account_id, AccountState())

    def report_rate_limit_pauses(self) -> None:
        """Update `api_paused_seconds_total` with the current rate-limit pauses."""
        for governor in self.governors.values():
            governor.report_rate_limited()

    def quota(self, token: str, *, share: float, reserved_per_second: float) -> Quota:
        """Return the quota of a token, with this share and reservation from now on."""
        fingerprint = sha256(token.encode()).digest()
        quota = self.quotas.get(fingerprint)
        if quota is None:
            quota = Quota(share=share, reserved_per_second=reserved_per_second)
            self.quotas[fingerprint] = quota
        quota.set_share(share=share, reserved_per_second=reserved_per_second)
        return quota


@asynccontextmanager
async def open_runtime(settings: Settings, *, clock: Clock) -> AsyncIterator[Runtime]:
    """Open it for these settings. Raises StateError."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(_state_path(settings.state)))
        session = await stack.enter_async_context(open_session(connections=UNLIMITED))
        scrape_priority = ScrapePriority(clock)
        yield Runtime(
            session=session,
            store=store,
            exposition=Exposition(pause=scrape_priority.yield_to_scrapes),
            telemetry=Telemetry(),
            scrape_priority=scrape_priority,
            clock=clock,
        )


def _state_path(state: State) -> Path | None:
    return None if isinstance(state, MemoryState) else state.path
