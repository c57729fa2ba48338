"""The truths of the contract, against the simulated Cloudflare over HTTP, minutes in moments."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.clock import Clock
from exporter.errors import CommitError, StateError
from exporter.risk.ledger import Changes, EventMark
from exporter.store import MemoryStore, Store, open_sqlite
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import Exporter, polling
from tests.support.simulator import ADA, BOB, Talk, talk_to_simulator

MINUTE = 60.0


@asynccontextmanager
async def exporter_of_ada(
    clock: Clock, *, store: Store | None = None, **values: object
) -> AsyncIterator[tuple[Talk, Exporter]]:
    """A second after the first poll of an account where Ada is high and Bob is not listed."""
    async with (
        talk_to_simulator(clock=clock) as talk,
        polling(talk, clock, store=store, **values) as exporter,
    ):
        await clock.sleep(1.0)
        yield talk, exporter


# A baseline, not a spike -----------------------------------------------------------------------


@in_fake_time
async def test_the_first_summary_counts_for_nothing() -> None:
    """A new installation must not look like an attack."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await clock.sleep(10 * MINUTE)

        assert exporter.users() == {ADA: 3}
        assert exporter.total("events_total") == 0
        assert exporter.total("level_changes_total") == 0
        assert exporter.value("user_current_events", user_id=ADA) == 2
        assert (await talk.log()).count(status=200) > 10


@in_fake_time
async def test_every_event_after_the_baseline_counts_once() -> None:
    """However often it is answered: in every details from then on."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel", count=3)
        await clock.sleep(2 * MINUTE)
        await talk.order("events", user=ADA, behavior="high_dlp")
        await clock.sleep(40 * MINUTE)

        truth = await talk.truth()
        assert exporter.value("events_total", behavior="imp_travel", risk_level="high") == 3
        assert exporter.total("events_total") == sum(truth.counted().values()) == 4
        assert exporter.total("user_events_total", user_id=ADA) == 4


@in_fake_time
async def test_all_events_of_a_user_not_listed_in_the_baseline_count() -> None:
    """They came into view after counting began."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("events", user=BOB, behavior="imp_travel", count=2)
        await clock.sleep(2 * MINUTE)

        assert exporter.total("user_events_total", user_id=BOB) == 2
        assert exporter.value("level_changes_total", **{"from": "none", "to": "high"}) == 1


@in_fake_time
async def test_a_restart_without_state_begins_anew_at_zero() -> None:
    """`memory:` remembers nothing: what is there again is a baseline again."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        for _ in range(2):
            async with polling(talk, clock) as exporter:
                await clock.sleep(1.0)
                assert exporter.total("events_total") == 0
                await talk.order("events", user=ADA, behavior="imp_travel")
                await clock.sleep(MINUTE)
                assert exporter.total("events_total") == 1


# No false all-clear ----------------------------------------------------------------------------


@in_fake_time
async def test_a_failed_poll_keeps_the_data_and_says_so() -> None:
    """Silence of the API is no all-clear."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("faults", kind="error", status=503)
        await clock.sleep(5 * MINUTE)

        assert exporter.value("up") == 0
        assert exporter.users() == {ADA: 3}
        assert exporter.value("users", risk_level="high") == 1
        assert exporter.value("exporter_resource_up", resource="summary") == 0
        assert exporter.total("exporter_poll_failures_total", reason="server_error") >= 3


@in_fake_time
async def test_data_too_old_are_withdrawn_and_counters_stay() -> None:
    """Nobody should rely on what was true a quarter of an hour ago."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel")
        await clock.sleep(MINUTE)
        await talk.order("faults", kind="drop")

        await clock.sleep(14 * MINUTE)
        assert exporter.users() == {ADA: 3}
        await clock.sleep(MINUTE + 2)

        assert exporter.users() == {}
        assert exporter.samples("users") == []
        assert exporter.samples("behavior_info") == []
        assert exporter.total("events_total") == 1
        assert exporter.value("up") == 0


@in_fake_time
async def test_withdrawn_data_are_back_with_the_next_good_poll() -> None:
    """Users' counters included, where they were."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel")
        await clock.sleep(MINUTE)
        await talk.order("faults", kind="drop", lasting=1200.0)
        await clock.sleep(19 * MINUTE)
        assert exporter.users() == {}

        await clock.sleep(6 * MINUTE + 2)

        assert exporter.users() == {ADA: 3}
        assert exporter.value("up") == 1
        assert exporter.total("user_events_total", user_id=ADA) == 1


@pytest.mark.parametrize("kind", ["truncate", "malformed", "null_result", "html"])
def test_an_answer_that_is_none_clears_nobody(kind: str) -> None:
    """An empty summary is believed only from a well-formed answer."""

    @in_fake_time
    async def story() -> None:
        clock = LoopClock()
        async with exporter_of_ada(clock) as (talk, exporter):
            await talk.order("faults", kind=kind, operation="summary")
            await clock.sleep(5 * MINUTE)

            assert exporter.users() == {ADA: 3}
            assert exporter.value("up") == 0

    story()


@in_fake_time
async def test_a_well_formed_empty_summary_is_an_all_clear() -> None:
    """When the last user is cleared, the last alert ends."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("reset", user=ADA)
        await clock.sleep(MINUTE + 1)

        assert exporter.users() == {}
        assert exporter.value("up") == 1
        assert exporter.value("users", risk_level="high") == 0


# What is gone is gone --------------------------------------------------------------------------


@in_fake_time
async def test_a_cleared_user_loses_their_series_and_is_one_reset() -> None:
    """They are asked about once more, and their details tell of it."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("reset", user=ADA)
        await clock.sleep(MINUTE + 1)

        assert exporter.value("resets_total") == 1
        assert exporter.value("level_changes_total", **{"from": "high", "to": "none"}) == 1
        assert exporter.samples("user_info") == []


@in_fake_time
async def test_a_departed_user_is_no_reset() -> None:
    """A 404 for who is not listed any more is a departure."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("vanish", user=ADA)
        await clock.sleep(3 * MINUTE)

        assert exporter.users() == {}
        assert exporter.value("resets_total") == 0
        assert exporter.value("exporter_pending_users", reason="changed") == 0
        assert exporter.value("exporter_resource_up", resource="users") == 1
        assert (await talk.log()).count(operation="user", status=404) == 1


@in_fake_time
async def test_a_user_who_returns_goes_on_counting_from_where_they_were() -> None:
    """A counter that begins again at zero is a reset to Prometheus, and a spike."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("events", user=BOB, behavior="imp_travel", count=2)
        await clock.sleep(2 * MINUTE)
        await talk.order("reset", user=BOB)
        await clock.sleep(MINUTE)
        assert BOB not in exporter.users()

        await talk.order("events", user=BOB, behavior="imp_travel", count=3)
        await clock.sleep(MINUTE)

        assert exporter.total("user_events_total", user_id=BOB) == 5
        assert exporter.value("user_last_reset_timestamp_seconds", user_id=BOB) is not None


# New behaviors ---------------------------------------------------------------------------------


@in_fake_time
async def test_an_event_of_a_new_behavior_counts_under_its_key() -> None:
    """Its name is looked up before it is counted, whenever the behaviors were read last."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("behaviors", key="new_trick", name="A new trick", level="medium")
        await talk.order("events", user=ADA, behavior="new_trick")
        await clock.sleep(MINUTE)

        assert exporter.value("events_total", behavior="new_trick", risk_level="medium") == 1
        assert exporter.samples("events_total", behavior="A new trick") == []
        assert exporter.value("behavior_enabled", behavior="new_trick") == 1


@in_fake_time
async def test_names_that_cannot_be_looked_up_are_looked_up_once_a_minute_at_most() -> None:
    """A token may read users and not behaviors; their events count under their own names."""
    clock = LoopClock()
    async with exporter_of_ada(clock) as (talk, exporter):
        await talk.order("faults", kind="error", status=403, operation="behaviors")
        before = (await talk.log()).count(operation="behaviors")
        for number in range(5):
            await talk.order("behaviors", key=f"trick{number}", name=f"Trick {number}")
            await talk.order("events", user=ADA, behavior=f"trick{number}")
            await clock.sleep(MINUTE)

        asked = (await talk.log()).count(operation="behaviors") - before
        assert asked <= 6
        assert exporter.total("events_total") == 5


# The state -------------------------------------------------------------------------------------


@in_fake_time
async def test_an_account_goes_on_where_its_state_left_it(tmp_path: Path) -> None:
    """What happened while nobody looked is counted, and once."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        for total in (1, 3):
            async with (
                open_sqlite(tmp_path / "state.db") as store,
                polling(talk, clock, store=store) as exporter,
            ):
                await clock.sleep(1.0)
                await talk.order("events", user=ADA, behavior="imp_travel")
                await clock.sleep(MINUTE)
                assert exporter.total("events_total") == total
            await talk.order("events", user=ADA, behavior="imp_travel")
            await clock.sleep(MINUTE)


class FullDisk:
    """A store whose commits fail while it is full; what is shown can be compared with it."""

    def __init__(self) -> None:
        self.is_full = False
        self.committed = 0
        self._store = MemoryStore()
        self.load = self._store.load
        self.load_marks = self._store.load_marks
        self.forget_marks = self._store.forget_marks
        self.pseudonym_key = self._store.pseudonym_key
        self.size_bytes = self._store.size_bytes
        self.close = self._store.close

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Commit where there is room."""
        if self.is_full:
            raise CommitError("the disk is full")
        await self._store.commit(account_id, changes)
        for one in changes.totals.values():
            self.committed = max(self.committed, one.count)


@in_fake_time
async def test_what_is_not_on_disk_is_not_counted_in_public() -> None:
    """A counter that was shown and is lost in a crash would fall, and look like a reset."""
    clock, store = LoopClock(), FullDisk()
    async with exporter_of_ada(clock, store=store) as (talk, exporter):
        await talk.order("events", user=ADA, behavior="imp_travel")
        await clock.sleep(MINUTE)
        store.is_full = True
        await talk.order("events", user=ADA, behavior="imp_travel", count=2)
        await talk.order("events", user=BOB, behavior="imp_travel")
        await clock.sleep(5 * MINUTE)

        assert exporter.total("events_total") == store.committed == 1
        assert exporter.total("user_events_total") == 1
        assert exporter.total("level_changes_total") == 0
        assert exporter.users() == {ADA: 3, BOB: 3}
        assert exporter.value("user_current_events", user_id=ADA) == 5
        assert exporter.total("exporter_state_commit_failures_total") > 0


@in_fake_time
async def test_nothing_is_lost_by_a_disk_that_was_full() -> None:
    """The next commit that succeeds carries all that the others could not."""
    clock, store = LoopClock(), FullDisk()
    async with exporter_of_ada(clock, store=store) as (talk, exporter):
        store.is_full = True
        await talk.order("events", user=ADA, behavior="imp_travel", count=2)
        await clock.sleep(5 * MINUTE)
        await talk.order("reset", user=ADA)
        await clock.sleep(5 * MINUTE)
        assert exporter.total("events_total") == 0
        assert exporter.value("resets_total") == 0

        store.is_full = False
        await clock.sleep(MINUTE)

        assert exporter.total("events_total") == 2
        assert exporter.value("resets_total") == 1
        assert exporter.value("level_changes_total", **{"from": "high", "to": "none"}) == 1


@in_fake_time
async def test_marks_that_cannot_be_read_count_nothing_twice() -> None:
    """Without them nobody knows what was counted before: the user is asked about again later."""
    clock, store = LoopClock(), FullDisk()
    async with exporter_of_ada(clock, store=store) as (talk, exporter):
        load_marks = store.load_marks

        async def fail(account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
            raise StateError(f"no marks of {account_id} can be read")

        store.load_marks = fail
        await talk.order("events", user=ADA, behavior="imp_travel")
        await clock.sleep(3 * MINUTE)
        assert exporter.total("events_total") == 0
        assert exporter.value("exporter_pending_users", reason="changed") == 1

        store.load_marks = load_marks
        await clock.sleep(MINUTE)

        assert exporter.total("events_total") == 1


# Pending ---------------------------------------------------------------------------------------


@in_fake_time
async def test_users_never_read_are_pending_from_the_first_poll_until_they_are_read() -> None:
    """A backlog of a first start is not the backlog of changes, and both are exposed."""
    clock = LoopClock()
    async with talk_to_simulator(clock=clock) as talk:
        await talk.order("faults", kind="error", status=503, operation="user")
        async with polling(talk, clock) as exporter:
            assert pending(exporter) == {"changed": 0, "never_read": 0, "refresh": 0}
            await clock.sleep(1.0)
            assert pending(exporter) == {"changed": 0, "never_read": 1, "refresh": 0}

            await talk.order("events", user=BOB, behavior="imp_travel")
            await clock.sleep(MINUTE)
            assert pending(exporter) == {"changed": 1, "never_read": 1, "refresh": 0}
            await talk.session.delete(f"{talk.simulator.admin_url}/faults")
            await clock.sleep(10 * MINUTE)

            assert pending(exporter) == {"changed": 0, "never_read": 0, "refresh": 0}


def pending(exporter: Exporter) -> dict[str, float]:
    """Return how many users are pending for each reason."""
    samples = exporter.samples("exporter_pending_users")
    return {one.labels["reason"]: one.value for one in samples}
