"""What the pollers of one account share."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient
from exporter.polling.governor import Admission, Governor
from exporter.polling.ledger_writer import LedgerWriter
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.quota_window import Priority
from exporter.polling.resource import AccountState
from exporter.scrape_priority import ScrapePriority


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """The poll intervals, and the age at which gauges are withdrawn, in seconds."""

    summary: float
    configuration: float
    data_max_age: float


class Work:
    """Counts the polls of one account in progress, and waits for them.

    A poll is in progress from its admission until its response is recorded.
    """

    def __init__(self) -> None:
        self.is_ending = False
        self._running = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count one poll as in progress until the block ends."""
        self._running += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._is_idle.set()

    async def end(self, clock: Clock, *, within_seconds: float) -> None:
        """Admit no further request, and wait until no poll is in progress."""
        self.is_ending = True
        await clock.wait(self._is_idle, within_seconds)


@dataclass(frozen=True, slots=True)
class AccountContext:
    """One account and what its pollers use.

    `account` is its label, `account_id` the API's. `jitter` returns a random number from 0 to 1.
    """

    account: str
    account_id: str
    client: CloudflareClient
    governor: Governor
    planner: Planner
    publisher: Publisher
    writer: LedgerWriter
    state: AccountState
    scrape_priority: ScrapePriority
    clock: Clock
    jitter: Callable[[], float]
    work: Work = field(default_factory=Work)

    async def admit(self, priority: Priority) -> Admission:
        """Wait until the quota admits one request of this account; see `Governor.admit`."""
        self.state.waiting_requests += 1
        try:
            admission = await self.governor.admit(self.account, priority)
        finally:
            self.state.waiting_requests -= 1
        if self.work.is_ending:
            with admission:
                """Release the admission unused: the pollers are about to be cancelled."""
            await asyncio.get_running_loop().create_future()
        return admission
