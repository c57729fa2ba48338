"""One task writes an account's ledger: in order, one transaction for what waits together."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from exporter.clock import SystemClock
from exporter.errors import CommitError, StateError
from exporter.exposition import Exposition
from exporter.polling.ledger_writer import CommitResult, DurableLedger, LedgerWriter, Observe
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.queues import RefreshReason
from exporter.polling.resource import AccountState
from exporter.polling.view import AccountView
from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger, UserRecord
from exporter.risk.model import EventCount, Identity, RiskLevel, UserSummary
from exporter.risk.projection import Disclosure
from exporter.store import MemoryStore
from exporter.telemetry import Telemetry

UNREADABLE_USER = "unreadable"


class SlowStore(MemoryStore):
    """A store in memory whose disk may be slow, full or damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Changes] = []
        self.is_full = False
        self.may_commit, self.is_committing = asyncio.Event(), asyncio.Event()
        self.may_commit.set()

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """Fail for one user."""
        if user_id == UNREADABLE_USER:
            raise StateError("damaged")
        return await super().load_marks(account_id, user_id)

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Wait for the disk, and fail if it is full."""
        self.is_committing.set()
        await self.may_commit.wait()
        self.is_committing.clear()
        if self.is_full:
            raise CommitError("full")
        await super().commit(account_id, changes)
        self.commits.append(changes)


class Account:
    """One account's writer and publisher, without pollers."""

    def __init__(self) -> None:
        self.store, self.telemetry = SlowStore(), Telemetry()
        self.exposition = Exposition()
        self.planner = Planner(max_age_seconds=1.0)
        self.durable = DurableLedger(
            "id", Ledger(AccountRecord(0.0)), self.store, clock=SystemClock(), pause=_no_pause
        )
        self.publisher = Publisher(
            account="acme",
            exposition=self.exposition,
            telemetry=self.telemetry,
            clock=SystemClock(),
        )
        self.writer = LedgerWriter(
            account="acme",
            durable=self.durable,
            view=AccountView(
                account="acme",
                durable=self.durable,
                state=AccountState(up=True, read_at=1.0),
                disclosure=Disclosure(RiskLevel.LOW, 100, Identity.FULL, pseudonym_key=b""),
                telemetry=self.telemetry,
                clock=SystemClock(),
                pause=_no_pause,
            ),
            publisher=self.publisher,
            planner=self.planner,
            store=self.store,
            telemetry=self.telemetry,
            pause=_no_pause,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.TaskGroup]:
        """Run the writer and the publisher for as long as the block runs."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self.writer.run()),
                tasks.create_task(self.publisher.run()),
            ]
            yield tasks
            for task in background:
                task.cancel()

    def counted(self) -> float:
        """Return the account's counter as of the last commit."""
        return sum(one.count for one in self.durable.counters().totals)

    def exposed(self) -> str:
        """Return the exposition."""
        scrape = self.exposition.scrape(openmetrics=False, gzip=False, names=None, telemetry=b"")
        return b"".join(scrape.pieces).decode()


async def _no_pause() -> None:
    """Go on without a pause."""


def one_more_event(user_id: str) -> Observe:
    """Return an observation of one more event of a user, counted on from the ledger."""

    async def observe(durable: DurableLedger) -> Changes:
        await durable.marks(user_id)
        key = ("dlp", RiskLevel.LOW)
        before = durable.ledger.totals.get(key)
        count = 1 if before is None else before.count + 1
        row = UserSummary(user_id, "", "", 1, 1.0, RiskLevel.HIGH)
        return Changes(
            totals={key: EventCount(*key, count, 1.0)},
            users={user_id: UserRecord(summary=row, due_since=1.0)},
        )

    return observe


async def test_observations_that_wait_together_are_committed_in_one_transaction() -> None:
    """A commit costs the same for one user and for several; each counts on from the one before."""
    account = Account()
    async with account.running() as tasks:
        account.store.may_commit.clear()
        first = tasks.create_task(account.writer.submit(one_more_event("first")))
        await account.store.is_committing.wait()
        others = [
            tasks.create_task(account.writer.submit(one_more_event(f"user {n}"))) for n in range(5)
        ]
        await asyncio.sleep(0)
        account.store.may_commit.set()
        results = [await task for task in (first, *others)]

    assert results == [CommitResult.COMMITTED] * 6
    assert [len(changes.users) for changes in account.store.commits] == [1, 5]
    assert account.counted() == 6


async def test_a_user_whose_state_is_unreadable_fails_no_other_of_the_same_transaction() -> None:
    """One damaged row must not stop the counting of everything else."""
    account = Account()
    users = ("first", UNREADABLE_USER, "last")
    async with account.running() as tasks:
        submitted = [tasks.create_task(account.writer.submit(one_more_event(who))) for who in users]
        results = [await task for task in submitted]

    assert results == [CommitResult.COMMITTED, CommitResult.UNREADABLE, CommitResult.COMMITTED]
    assert account.counted() == 2
    assert UNREADABLE_USER not in account.durable.ledger.users


async def test_a_full_disk_hides_no_user_and_exposes_no_uncommitted_counter() -> None:
    """Gauges follow the observation, counters the last commit, which the next one catches up."""
    account = Account()
    async with account.running():
        account.store.is_full = True
        result = await account.writer.submit(one_more_event("risky"), moves_users=True)
        await account.publisher.flush()
        while_full = account.exposed()
        account.store.is_full = False
        await account.writer.refresh()
        await account.publisher.flush()

    assert result is CommitResult.UNCOMMITTED
    assert 'user_level{account="acme",user_id="risky"} 3' in while_full
    assert "events_total{" not in while_full
    assert 'events_total{account="acme",behavior="dlp",risk_level="low"} 1' in account.exposed()


async def test_the_planner_knows_a_user_once_the_observation_is_committed() -> None:
    """The details of a changed user are due from then on."""
    account = Account()
    async with account.running():
        await account.writer.submit(one_more_event("risky"))

    assert account.planner.pending(RefreshReason.CHANGED) == 1


async def test_closing_waits_for_what_was_submitted_and_records_nothing_more() -> None:
    """A reload replaces the pollers between two commits, never within one."""
    account = Account()
    async with account.running() as tasks:
        account.store.may_commit.clear()
        early = tasks.create_task(account.writer.submit(one_more_event("early")))
        await account.store.is_committing.wait()
        closing = tasks.create_task(account.writer.close())
        await asyncio.sleep(0)
        late = tasks.create_task(account.writer.submit(one_more_event("late")))
        await asyncio.sleep(0)
        is_closed_early = closing.done()
        account.store.may_commit.set()
        await closing
        is_recorded = early.done() or account.counted() == 1
        late.cancel()

    assert not is_closed_early
    assert is_recorded
    assert account.counted() == 1


async def test_closing_returns_where_the_writer_has_ended() -> None:
    """A reload must not wait for a task that failed."""
    account = Account()
    async with account.running():
        await account.writer.submit(one_more_event("early"))

    await account.writer.close()


async def test_a_commit_cancelled_half_way_is_made_again_and_counts_once() -> None:
    """The store may or may not have it: the ledger in memory is never behind the disk."""
    account = Account()
    account.store.may_commit.clear()
    writing = asyncio.create_task(account.writer.run())
    submitting = asyncio.create_task(account.writer.submit(one_more_event("user")))
    await account.store.is_committing.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    submitting.cancel()
    before = account.counted()

    account.store.may_commit.set()
    await account.durable.apply(await one_more_event("user")(account.durable))
    await account.durable.commit()

    assert before == 0
    assert account.counted() == 2
    assert [changes.totals for changes in account.store.commits] == [account.durable.ledger.totals]
