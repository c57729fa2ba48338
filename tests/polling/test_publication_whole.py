"""What is shown of an account is of one moment, however many turns it takes to move on."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from exporter.clock import SystemClock
from exporter.exposition import Exposition
from exporter.polling.journal import Journal
from exporter.polling.publication import Publication
from exporter.polling.standing import Standing
from exporter.risk.ledger import AccountRecord, Changes, Ledger, UserRecord
from exporter.risk.model import EventCount, RiskLevel, UserSummary
from exporter.risk.projection import Disclosure, Identity
from exporter.steps import STEP_USERS
from exporter.store import MemoryStore
from exporter.telemetry import Telemetry

USERS = STEP_USERS * 4


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
        self.standing = Standing(up=True, read_at=1.0)
        self.exposition = Exposition()
        self.journal = Journal(
            "id", Ledger(AccountRecord(0.0)), MemoryStore(), clock=SystemClock(), pause=self.rest
        )
        self.publication = Publication(
            account="acme",
            journal=self.journal,
            standing=self.standing,
            disclosure=Disclosure(RiskLevel.LOW, USERS, Identity.FULL, pseudonym_key=b""),
            exposition=self.exposition,
            telemetry=Telemetry(),
            clock=SystemClock(),
            pause=self.rest,
        )

    async def rest(self) -> None:
        """Let all others have a turn."""
        await asyncio.sleep(0)

    async def record(self, changes: Changes) -> None:
        """Move on, and show it."""
        async with self.journal.lock:
            entry = await self.journal.record(changes)
        await self.publication.show(entry)

    def shown(self) -> tuple[dict[str, float], float, float]:
        """Users by level, all users' events, the account's events."""
        scrape = self.exposition.scrape(openmetrics=False, gzip=False, names=None, telemetry=b"")
        families = text_string_to_metric_families(b"".join(scrape.pieces).decode())
        samples = [sample for family in families for sample in family.samples]
        return (
            {
                one.labels["risk_level"]: one.value
                for one in samples
                if one.name == "cloudflare_zt_risk_users"
            },
            sum(one.value for one in samples if one.name == "cloudflare_zt_risk_user_events_total"),
            sum(one.value for one in samples if one.name == "cloudflare_zt_risk_events_total"),
        )


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

    before = ({"low": USERS, "medium": 0, "high": 0}, USERS, USERS)
    observed = ({"low": 0, "medium": 0, "high": USERS}, USERS, USERS)
    committed = ({"low": 0, "medium": 0, "high": USERS}, 2 * USERS, 3 * USERS)
    assert all(one in (before, observed, committed) for one in seen)
    assert account.shown() == committed


async def test_data_withdrawn_while_they_are_being_shown_are_gone_in_the_end() -> None:
    """The publication in progress must not take the withdrawal for done."""
    account = Account()
    async with account.journal.lock:
        entry = await account.journal.record(everybody(RiskLevel.LOW, events=1))
    showing = asyncio.create_task(account.publication.show(entry))
    for _ in range(3):
        await account.rest()

    account.standing.up, account.standing.read_at = False, None
    await account.publication.show()
    await showing

    assert account.shown() == ({}, 0, USERS)
