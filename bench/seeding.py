"""A state file that knows all users, as if the exporter had run for weeks."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from exporter.cloudflare.client import CloudflareClient
from exporter.risk.ledger import (
    Changes,
    Ledger,
    SummaryFold,
    observe_behaviors,
    observe_details,
)
from exporter.risk.model import Behavior, RiskEvent, SummaryReading, UserDetails, UserSummary
from exporter.store import Store, open_sqlite


def invented_details(row: UserSummary, behaviors: Sequence[Behavior]) -> UserDetails:
    """As many events as the summary says, the latest when it says, of alternating behaviors."""
    events = tuple(
        RiskEvent(
            id=f"{row.user_id}/{number}",
            name=behaviors[number % len(behaviors)].name,
            level=row.level,
            timestamp=row.last_event - number,
        )
        for number in range(row.event_count)
    )
    return UserDetails(row.email, row.name, events)


_BATCH_USERS = 10_000


async def seed_state(path: Path, client: CloudflareClient, account_id: str) -> tuple[str, ...]:
    """Make the file at `path` know every user of the account and all their events; who they are.

    The baseline is an empty summary, so that every event counts.
    """
    async with open_sqlite(path) as store:
        ledger = await store.load(account_id, now=time.time())
        behaviors = await client.read_behaviors(account_id)
        await _keep(store, account_id, ledger, _behaviors(ledger, behaviors))
        for readings in ((SummaryReading(()),), await _read(client, account_id)):
            await _keep(store, account_id, ledger, _summary(ledger, readings))
        for changes in _details(ledger, behaviors):
            await store.commit(account_id, changes)
        return tuple(ledger.users)


def joined(parts: Sequence[Changes]) -> Changes:
    """As `Changes.then` over all of them, which would copy what it has at each.

    Of the account, and of users who were only renamed or counted, nothing is kept.
    """
    return Changes(
        users={who: record for part in parts for who, record in part.users.items()},
        totals={pair: entry for part in parts for pair, entry in part.totals.items()},
        names={name: record for part in parts for name, record in part.names.items()},
        marks={who: marks for part in parts for who, marks in part.marks.items()},
        level_changes={pair: n for part in parts for pair, n in part.level_changes.items()},
    )


async def _keep(store: Store, account_id: str, ledger: Ledger, changes: Changes) -> None:
    await store.commit(account_id, changes)
    ledger.apply(changes)


async def _read(client: CloudflareClient, account_id: str) -> tuple[SummaryReading, ...]:
    return tuple([reading async for reading in client.stream_summary(account_id)])


def _behaviors(ledger: Ledger, behaviors: Sequence[Behavior]) -> Changes:
    return observe_behaviors(ledger, behaviors, now=time.time())


def _summary(ledger: Ledger, readings: Sequence[SummaryReading]) -> Changes:
    fold = SummaryFold(ledger, now=time.time())
    for reading in readings:
        fold.add(reading)
    return fold.finish()


def _details(ledger: Ledger, behaviors: Sequence[Behavior]) -> Iterator[Changes]:
    """What reading everybody's details changes, some thousands of users at a time; applied."""
    remaining = iter(tuple(ledger.users))
    while user_ids := tuple(islice(remaining, _BATCH_USERS)):
        parts = []
        for user_id in user_ids:
            summary = ledger.users[user_id].summary
            assert summary is not None, "seeded from a summary"
            details = invented_details(summary, behaviors)
            parts.append(observe_details(ledger, user_id, details, {}, now=time.time()))
            ledger.apply(parts[-1])
        yield joined(parts)
