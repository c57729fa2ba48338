"""What the pollers of one account share."""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient
from exporter.gate import ScrapeGate
from exporter.polling.governor import Admission, Governor
from exporter.polling.journal import Journal
from exporter.polling.planner import Planner
from exporter.polling.priority import Priority
from exporter.polling.publication import Publication
from exporter.polling.recorder import Recorder
from exporter.polling.standing import Standing


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """How often what is asked, and after what time without news gauges are withdrawn, in seconds."""

    summary: float
    configuration: float
    data_max_age: float


@dataclass(frozen=True, slots=True)
class AccountContext:
    """One account, and the hands its pollers work with.

    `account` is its label, `account_id` the API's. `jitter` gives a number from 0 to 1, another
    one each time.
    """

    account: str
    account_id: str
    client: CloudflareClient
    governor: Governor
    journal: Journal
    planner: Planner
    publication: Publication
    recorder: Recorder
    standing: Standing
    gate: ScrapeGate
    clock: Clock
    jitter: Callable[[], float]

    async def admit(self, priority: Priority) -> Admission:
        """Wait until the quota lets one request of this account go; see `Governor.admit`."""
        self.standing.waiting_requests += 1
        try:
            return await self.governor.admit(self.account, priority)
        finally:
            self.standing.waiting_requests -= 1
