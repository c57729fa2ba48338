"""Reads the history of a simulated account, as `backfill` does."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.app.backfill import read_past
from exporter.backfill import AccountReading, Timeline
from exporter.clock import Clock
from exporter.settings import load_settings
from tests.support.simulator import Talk

WEEK = 7 * 86_400


@dataclass
class RecordedProgress:
    """Progress as it was reported: the number of users of each account, and of those read."""

    users: dict[str, int] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def begin(self, account: str, *, users: int) -> None:
        """Record the number of users."""
        self.users[account] = users

    def advance(self, account: str) -> None:
        """Count one user."""
        self.asked[account] += 1


@dataclass(frozen=True)
class Past:
    """The result of reading the simulator's only account."""

    reading: AccountReading
    progress: RecordedProgress

    @property
    def totals(self) -> dict[tuple[str, ...], int]:
        """Return the number of events by behavior and level."""
        assert self.reading.history is not None
        return {one.labels: sum(one.increments.values()) for one in self.reading.history.events}


async def read_simulated_past(talk: Talk, *, clock: Clock, **settings: str) -> Past:
    """Read the last week of the first account with the first token."""
    simulator = talk.simulator
    environ: Mapping[str, str] = {
        "CLOUDFLARE_ACCOUNT_ID": next(iter(simulator.account_ids.values())),
        "CLOUDFLARE_API_TOKEN": next(iter(simulator.tokens.values())),
        "RISK_EXPORTER_API_URL": simulator.api_url,
        "RISK_EXPORTER_STATE": "memory:",
    }
    progress = RecordedProgress()
    now = clock.time()
    (reading,) = await read_past(
        load_settings(flags=settings, environ=environ),
        Timeline.between(now - WEEK, now, step=60.0),
        clock=clock,
        progress=progress,
    )
    return Past(reading, progress)
