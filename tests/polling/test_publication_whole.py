"""What is shown of an account is of one moment, however many turns it takes to move on."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.chunked import CHUNK_SIZE
from exporter.clock import SystemClock
from exporter.exposition import Exposition
from exporter.polling.ledger_writer import Journal, Recorder
from exporter.polling.planner import Planner
from exporter.polling.publisher import Publisher
from exporter.polling.resource import AccountState
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
        self.journal = Journal(
            "id", Ledger(AccountRecord(0.0)), self.store, clock=SystemClock(), pause=self.rest
        )
        self.publication = Publisher(
            account="acme",
            journal=self.journal,
            state=self.state,
            disclosure=Disclosure(RiskLevel.LOW, USERS, Identity.FULL, pseudonym_key=b""),
            exposition=self.exposition,
            telemetry=self.telemetry,
            clock=SystemClock(),
            pause=self.rest,
        )
        self.recorder = Recorder(
            account="acme",
            journal=self.journal,
            publication=self.publication,
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

    async def record(self, changes: Changes) -> None:
        """Move on, and show it."""
        async with self.journal.lock:
            await self.recorder.record(changes, moves_users=True)
        await self.publication.show(reselect=True)

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
    await account.record(everybody(RiskLevel.LOW, events=1))
    recording = asyncio.create_task(account.record(everybody(RiskLevel.HIGH, events=2)))
    seen = []

    while not recording.done():
        await account.publication.show(reselect=True)
        seen.append(account.shown())
    await recording

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
    async with account.journal.lock:
        await account.recorder.record(everybody(RiskLevel.LOW, events=1), moves_users=True)
    showing = asyncio.create_task(account.publication.show(reselect=True))
    for _ in range(3):
        await account.rest()

    account.state.up, account.state.read_at = False, None
    await account.publication.show(reselect=True)
    await showing

    assert account.shown() == ({}, 0, 0, USERS)


async def test_what_a_cancelled_publication_was_to_show_is_shown_by_the_next() -> None:
    """The exposition forgets what it was told half-way, and nobody else tells it again."""
    account = Account()
    await account.record(everybody(RiskLevel.LOW, events=1))
    async with account.journal.lock:
        await account.recorder.record(everybody(RiskLevel.HIGH, events=1), moves_users=True)
    before = account.shown()
    account.may_render.clear()
    showing = asyncio.create_task(account.publication.show(reselect=True))
    await account.is_held_up.wait()

    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing
    account.may_render.set()

    assert account.shown() == before
    await account.publication.show()
    assert account.shown()[1] == 3 * USERS
