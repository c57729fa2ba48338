"""How one account stands: what is known of it beside its ledger."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.risk.model import Behavior, Integration

FROZEN_AFTER_POLLS = 3
"""Departures are reported as frozen after this many summaries in a row that prove none."""


@dataclass(slots=True)
class Standing:
    """What the last polls found, for as long as the process lives; a reload keeps it.

    - `up`: the last summary was good, and its data are shown.
    - `read_at`: when a summary was good last, by the monotonic clock; None: never, or so long
      ago that it is not to be shown any more.
    - `first_poll_ended`: the first summary was asked for, and came or failed.
    - `start_at`, `next_polls`: when polling of the account, and the next poll of each resource, is
      due by the monotonic clock. A restarted poller keeps them.
    - `unproven_polls`: how many summaries in a row had a row without a readable user id, so that
      a missing row proves no departure.
    - `logged_users`: the listed users by level as last logged; None before the first summary.
    - `waiting_requests`: how many requests of the account wait for the quota now.
    """

    up: bool = False
    read_at: float | None = None
    behaviors: tuple[Behavior, ...] = ()
    integrations: tuple[Integration, ...] = ()
    unproven_polls: int = 0
    logged_users: Mapping[str, int] | None = None
    waiting_requests: int = 0
    start_at: float | None = None
    next_polls: dict[str, float] = field(default_factory=dict)
    first_poll_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def departures_frozen(self) -> bool:
        """Whether users who left stay listed for longer than an odd answer would explain."""
        return self.unproven_polls >= FROZEN_AFTER_POLLS

    @property
    def has_fresh_data(self) -> bool:
        """Whether there are gauges to show at all."""
        return self.read_at is not None
