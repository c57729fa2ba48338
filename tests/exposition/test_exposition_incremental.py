"""Rendering only what changed comes to the same as rendering everything."""

import asyncio
import gzip
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exporter.exposition import Exposition
from exporter.risk.model import AccountSnapshot, UserRow
from tests.support.snapshots import account_snapshots, event_counts, gauges, user_maps

CHUNK_USERS = 2
ACCOUNTS = ("acme", "globex")

user_ids = st.sampled_from([f"user-{number}" for number in range(12)])
some_users = user_maps(user_ids)


def lines_of(exposition: Exposition, *, openmetrics: bool, compressed: bool) -> list[bytes]:
    """All lines of a scrape, sorted: a family's samples may stand in any order."""
    scrape = exposition.scrape(
        openmetrics=openmetrics, gzip=compressed, names=None, telemetry=b"telemetry 1\n"
    )
    body = b"".join(scrape.pieces)
    assert len(body) == scrape.length
    return sorted((gzip.decompress(body) if compressed else body).splitlines())


class IncrementalExposition(RuleBasedStateMachine):
    """Two accounts whose users come, change and go; `changed` names exactly those who did."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.exposition = Exposition(chunk_users=CHUNK_USERS)
        self.snapshots: dict[str, AccountSnapshot] = {}

    def teardown(self) -> None:
        """Close the loop the publications ran on."""
        self.runner.close()

    @initialize(first=account_snapshots(st.just(ACCOUNTS[0])))
    def begin(self, first: AccountSnapshot) -> None:
        """Publish the first account."""
        self.publish(first)

    @rule(account=st.sampled_from(ACCOUNTS), shown=gauges, users=some_users)
    def change_users(self, account: str, shown: object, users: dict[str, UserRow]) -> None:
        """Some users are added or change."""
        before = self.snapshots.get(account) or AccountSnapshot(account, account)
        self.publish(replace(before, gauges=shown, users={**before.users, **users}))

    @rule(account=st.sampled_from(ACCOUNTS), gone=st.sets(user_ids))
    def remove_users(self, account: str, gone: set[str]) -> None:
        """Some users are not listed any more."""
        if before := self.snapshots.get(account):
            kept = {key: row for key, row in before.users.items() if key not in gone}
            self.publish(replace(before, users=kept))

    @rule(account=st.sampled_from(ACCOUNTS), counts=event_counts, shown=st.booleans())
    def change_account(self, account: str, counts: tuple[()], *, shown: bool) -> None:
        """The account's own counters change, and whether identities are shown."""
        if before := self.snapshots.get(account):
            self.publish(replace(before, events=counts, identity_shown=shown))

    @rule(account=st.sampled_from(ACCOUNTS))
    def withdraw_gauges(self, account: str) -> None:
        """The data became too old."""
        if before := self.snapshots.get(account):
            self.publish(replace(before, up=False, gauges=None, users={}))

    @rule(account=st.sampled_from(ACCOUNTS))
    def remove_account(self, account: str) -> None:
        """The account left the configuration."""
        self.snapshots.pop(account, None)
        self.exposition.remove(account)

    def publish(self, snapshot: AccountSnapshot) -> None:
        """Publish with exactly the users that differ."""
        before = self.snapshots.get(snapshot.account)
        old = before.users if before else {}
        new = snapshot.users
        changed = {key for key in old.keys() | new if old.get(key) != new.get(key)}
        self.runner.run(self.exposition.publish(snapshot, changed=changed))
        self.snapshots[snapshot.account] = snapshot

    @invariant()
    def equals_rendering_from_nothing(self) -> None:
        """The law."""
        fresh = Exposition(chunk_users=CHUNK_USERS)
        for snapshot in self.snapshots.values():
            self.runner.run(fresh.publish(snapshot, changed=None))
        for openmetrics in (False, True):
            expected = lines_of(fresh, openmetrics=openmetrics, compressed=False)
            assert lines_of(self.exposition, openmetrics=openmetrics, compressed=True) == expected
        assert self.exposition.series == fresh.series
        assert self.exposition.size_bytes == fresh.size_bytes


TestIncrementalExposition = IncrementalExposition.TestCase
TestIncrementalExposition.settings = settings(max_examples=50, stateful_step_count=15)
