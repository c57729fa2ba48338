"""What is shown of an account is of one moment, however many turns it takes to move on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.parser import text_string_to_metric_families

from exporter.chunked import CHUNK_SIZE
from exporter.clock import SystemClock
from exporter.exposition import Exposition
from exporter.polling.ledger_writer import CommitResult, DurableLedger, LedgerWriter
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.resource import AccountState
from exporter.polling.view import AccountView
from exporter.risk.ledger import AccountRecord, Changes, Ledger, UserRecord
from exporter.risk.model import EventCount, Identity, RiskLevel, UserSummary
from exporter.risk.projection import Disclosure
from exporter.store import MemoryStore
from exporter.telemetry import Telemetry

USERS = CHUNK_SIZE * 4


def everybody(level: RiskLevel, *, events: int) -> Changes:
    """All users have this level and so many events."""
    created = 1.0
    return Changes(
        totals={("dlp", level): EventCount("dlp", level, events * USERS, created)},
        users={
            user_id: UserRecord(
                summary=UserSummary(user_id, "", "", events, created, level),
                events=(EventCount("dlp", RiskLevel.LOW, events, created),),
            )
            for user_id in map(str, range(USERS))
        },
    )


class Account:
    """One account whose work rests between all its steps."""

    def __init__(self) -> None:
        self.state = AccountState(up=True, read_at=1.0)
        self.is_held_up, self.may_render = asyncio.Event(), asyncio.Event()
        self.may_render.set()
        self.exposition = Exposition(pause=self.render_on)
        self.store, self.telemetry = MemoryStore(), Telemetry()
        self.durable = DurableLedger(
            "id", Ledger(AccountRecord(0.0)), self.store, clock=SystemClock(), pause=self.rest
        )
        self.publisher = Publisher(
            account="acme",
            exposition=self.exposition,
            telemetry=self.telemetry,
            clock=SystemClock(),
        )
        view = AccountView(
            account="acme",
            durable=self.durable,
            state=self.state,
            disclosure=Disclosure(RiskLevel.LOW, USERS, Identity.FULL, pseudonym_key=b""),
            telemetry=self.telemetry,
            clock=SystemClock(),
            pause=self.rest,
        )
        self.writer = LedgerWriter(
            account="acme",
            durable=self.durable,
            view=view,
            publisher=self.publisher,
            planner=Planner(max_age_seconds=1.0),
            store=self.store,
            telemetry=self.telemetry,
            pause=self.rest,
        )

    async def rest(self) -> None:
        """Let all others have a turn."""
        await asyncio.sleep(0)

    async def render_on(self) -> None:
        """Let all others have a turn, and wait where rendering is held up."""
        await asyncio.sleep(0)
        if not self.may_render.is_set():
            self.is_held_up.set()
            await self.may_render.wait()

    async def record(self, changes: Changes) -> CommitResult:
        """Apply and commit changes, and enqueue the publication."""

        async def observe(_: DurableLedger) -> Changes:
            return changes

        return await self.writer.submit(observe, moves_users=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the writer and the publisher for as long as the block runs."""
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self.writer.run()),
                tasks.create_task(self.publisher.run()),
            ]
            yield
            for task in background:
                task.cancel()

    def shown(self) -> tuple[dict[str, float], float, float, float]:
        """Users by level, the sum of their own levels, all users' events, the account's events."""
        scrape = self.exposition.scrape(openmetrics=False, gzip=False, names=None, telemetry=b"")
        families = text_string_to_metric_families(b"".join(scrape.pieces).decode())
        samples = [sample for family in families for sample in family.samples]
        users = {
            one.labels["risk_level"]: one.value
            for one in samples
            if one.name == "cloudflare_zt_risk_users"
        }

        def total(name: str) -> float:
            return sum(one.value for one in samples if one.name == f"cloudflare_zt_risk_{name}")

        return users, total("user_level"), total("user_events_total"), total("events_total")


async def test_a_publication_meanwhile_shows_a_large_change_whole_or_not_at_all() -> None:
    """Other polls of the account are shown while a summary moves thousands of users."""
    account = Account()
    seen = []
    async with account.running():
        await account.record(everybody(RiskLevel.LOW, events=1))
        await account.publisher.flush()
        recording = asyncio.create_task(account.record(everybody(RiskLevel.HIGH, events=2)))

        while not recording.done():
            await account.publisher.flush()
            seen.append(account.shown())
        await account.publisher.flush()

    before = ({"low": USERS, "medium": 0, "high": 0, "unknown": 0}, USERS, USERS, USERS)
    observed = ({"low": 0, "medium": 0, "high": USERS, "unknown": 0}, USERS, USERS, USERS)
    committed = (
        {"low": 0, "medium": 0, "high": USERS, "unknown": 0},
        3 * USERS,
        2 * USERS,
        3 * USERS,
    )
    assert all(one in (before, observed, committed) for one in seen)
    assert account.shown() == committed


async def test_data_withdrawn_while_they_are_being_shown_are_gone_in_the_end() -> None:
    """The publication in progress must not take the withdrawal for done."""
    account = Account()
    async with account.running():
        account.may_render.clear()
        await account.record(everybody(RiskLevel.LOW, events=1))
        await account.is_held_up.wait()

        account.state.up, account.state.read_at = False, None
        await account.writer.refresh(moves_users=True)
        account.may_render.set()
        await account.publisher.flush()

    assert account.shown() == ({}, 0, 0, USERS)


async def test_what_a_cancelled_publication_was_to_show_is_shown_by_the_next() -> None:
    """The exposition forgets what it was told half-way, and nobody else tells it again."""
    account = Account()
    async with account.running():
        await account.record(everybody(RiskLevel.LOW, events=1))
        await account.publisher.flush()
        before = account.shown()
        account.may_render.clear()
        await account.record(everybody(RiskLevel.HIGH, events=1))
        await account.is_held_up.wait()

    account.may_render.set()

    assert account.shown() == before
    await account.publisher.publish()
    assert account.shown()[1] == 3 * USERS
