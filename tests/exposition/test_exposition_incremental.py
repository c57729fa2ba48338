"""Rendering only what changed comes to the same as rendering everything."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exporter.exposition import Exposition
from exporter.risk.model import AccountGauges, AccountSnapshot, EventCount, UserRow
from tests.support.snapshots import event_counts, gauges, snapshot_of, user_maps, user_row

CHUNK_USERS = 24  # so that one user's change is an edit and three users' are not
ACCOUNTS = ("acme", "globex")
USER_IDS = [f"user-{number}" for number in range(60)]

user_ids = st.sampled_from(USER_IDS)


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

    @initialize()
    def begin(self) -> None:
        """Begin with everybody."""
        self.fill_account()

    @rule()
    def fill_account(self) -> None:
        """Everybody is there, in a few chunks."""
        self.publish(snapshot_of(*map(user_row, USER_IDS), account=ACCOUNTS[0]))

    @rule(account=st.sampled_from(ACCOUNTS), shown=gauges, users=user_maps(user_ids))
    def change_users(
        self, account: str, shown: AccountGauges, users: Mapping[str, UserRow]
    ) -> None:
        """A few users are added or change."""
        before = self.snapshots.get(account, AccountSnapshot(account, account))
        self.publish(replace(before, gauges=shown, users={**before.users, **users}))

    @rule(account=st.sampled_from(ACCOUNTS), gone=st.sets(user_ids, max_size=5))
    def remove_users(self, account: str, gone: set[str]) -> None:
        """Some users are not listed any more."""
        if before := self.snapshots.get(account):
            kept = {key: row for key, row in before.users.items() if key not in gone}
            self.publish(replace(before, users=kept))

    @rule(account=st.sampled_from(ACCOUNTS), counts=event_counts, shown=st.booleans())
    def change_account(self, account: str, counts: tuple[EventCount, ...], *, shown: bool) -> None:
        """The account's own counters change, and whether identities are shown."""
        if before := self.snapshots.get(account):
            self.publish(replace(before, events=counts, identity_shown=shown))

    @rule(shown=st.booleans())
    def change_settings(self, *, shown: bool) -> None:
        """A reload switches `_created` on or off, and publishes every account."""
        self.exposition.created_shown = shown
        for snapshot in self.snapshots.values():
            self.publish(snapshot)

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
        """Publish exactly the users that differ, and nobody else's row."""
        before = self.snapshots.get(snapshot.account)
        old = before.users if before else {}
        new = snapshot.users
        changed = {key for key in old.keys() | new if old.get(key) != new.get(key)}
        told = replace(snapshot, users={key: new[key] for key in changed if key in new})
        self.runner.run(self.exposition.publish(told, changed=changed))
        self.snapshots[snapshot.account] = snapshot

    @invariant()
    def equals_rendering_from_nothing(self) -> None:
        """The law."""
        fresh = Exposition(chunk_users=CHUNK_USERS)
        fresh.created_shown = self.exposition.created_shown
        for snapshot in self.snapshots.values():
            self.runner.run(fresh.publish(snapshot, changed=None))
        for openmetrics in (False, True):
            expected = lines_of(fresh, openmetrics=openmetrics, compressed=False)
            assert lines_of(self.exposition, openmetrics=openmetrics, compressed=True) == expected
        assert self.exposition.series == fresh.series
        assert self.exposition.size_bytes == fresh.size_bytes


# No shrinking: with so many users it takes minutes.
TestIncrementalExposition = IncrementalExposition.TestCase
TestIncrementalExposition.settings = settings(
    max_examples=30, phases=[Phase.generate], stateful_step_count=12
)
