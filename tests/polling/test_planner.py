from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.chunked import CHUNK_SIZE, run_sync
from exporter.polling.planner import Planner
from exporter.polling.queues import (
    FAIR_TURN,
    Rank,
    RefreshReason,
    RefreshSchedule,
    UserQueue,
    rank_of,
)
from exporter.polling.quota_window import DETAILS, Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel
from tests.support.ledgers import DAY, HIGH, LOW, MEDIUM, row

URGENT, CHANGED, RELAXED = DETAILS


def changed(
    level: RiskLevel = HIGH,
    *,
    last_event: float = 0.0,
    since: float = 0.0,
    read: float | None = 0.0,
) -> UserRecord:
    """A listed user, high unless said, whose row has changed."""
    return UserRecord(summary=row("u", last_event, level=level), details_at=read, due_since=since)


def unread(level: RiskLevel = LOW, *, last_event: float = 0.0) -> UserRecord:
    """A listed user whose details were never asked for."""
    return UserRecord(summary=row("u", last_event, level=level))


def settled(at: float) -> UserRecord:
    """A listed user whose details are up to date."""
    return UserRecord(summary=row("u", 0.0), details_at=at)


VANISHED = UserRecord(details_at=0.0, due_since=0.0)
GONE = UserRecord(details_at=0.0)


def planner_of(records: Mapping[str, UserRecord], *, max_age_seconds: float = DAY) -> Planner:
    """A planner that begins with these records."""
    planner = Planner(max_age_seconds=max_age_seconds)
    run_sync(planner.load(records.items()))
    return planner


def take_all(planner: Planner, priority: Priority, now: float = 0.0) -> list[str]:
    """Take users until it is nobody's turn."""
    taken = []
    while (user_id := planner.take(priority, now)) is not None:
        taken.append(user_id)
    return taken


# Order -----------------------------------------------------------------------------------------


def test_of_all_who_are_loaded_the_first_who_changed_is_known() -> None:
    """There may be more of them than are sorted in one step."""
    count = 3 * CHUNK_SIZE
    since = {f"user-{number}": float(number * 7 % count) for number in range(count)}

    planner = planner_of({who: changed(LOW, since=at) for who, at in since.items()})

    assert planner.changed() == tuple(sorted(since, key=since.__getitem__))
    assert planner.pending_since == 0.0


def test_changes_go_by_level_and_then_by_latest_event() -> None:
    """Whoever may be doing harm now is looked at first."""
    planner = planner_of(
        {
            "gone": VANISHED,
            "low-old": changed(LOW, last_event=8.0),
            "low-new": changed(LOW, last_event=9.0),
            "medium": changed(MEDIUM, last_event=1.0),
            "high-old": changed(HIGH, last_event=1.0),
            "high-new": changed(HIGH, last_event=2.0),
            "unknown": changed(RiskLevel.UNKNOWN),
        }
    )

    assert take_all(planner, URGENT) == ["unknown", "high-new", "high-old"]
    assert take_all(planner, CHANGED) == ["medium", "low-new", "low-old", "gone"]


def test_changes_go_before_first_readings_and_these_before_aged_details() -> None:
    """News first, then what is not known at all, then what may have changed unseen."""
    planner = planner_of(
        {
            "aged": settled(0.0),
            "unread-low": unread(LOW),
            "unread-medium": unread(MEDIUM),
            "unread-high": unread(HIGH),
            "changed-low": changed(LOW),
            "changed-high": changed(HIGH),
        }
    )

    assert take_all(planner, URGENT, now=DAY) == ["changed-high", "unread-high"]
    assert take_all(planner, CHANGED, now=DAY) == ["changed-low"]
    order = ["unread-medium", "unread-low", "aged"]
    assert take_all(planner, RELAXED, now=DAY) == order


def test_nobody_is_wanted_who_left_and_was_asked_about_once_more() -> None:
    """A user who is not listed has nothing to tell."""
    planner = planner_of({"gone": GONE})

    assert planner.take(URGENT, 10 * DAY) is None
    assert planner.seconds_until_next(RELAXED, 10 * DAY) == float("inf")


# Waiting ---------------------------------------------------------------------------------------


def test_a_user_who_changes_again_while_waiting_is_asked_about_once() -> None:
    """The details answer for all changes so far."""
    planner = planner_of({})
    for moment in range(5):
        planner.learn("ann", changed(last_event=float(moment)))

    assert take_all(planner, URGENT) == ["ann"]


def test_a_user_who_is_being_asked_about_is_not_asked_about_twice() -> None:
    """Not even where they change meanwhile; but then again afterwards."""
    planner = planner_of({"ann": changed()})
    planner.take(URGENT, 0.0)

    planner.learn("ann", changed(HIGH, since=1.0))

    assert planner.take(URGENT, 1.0) is None
    planner.settle("ann", changed(HIGH, since=1.0))
    assert planner.take(URGENT, 1.0) == "ann"


def test_the_level_of_the_last_change_counts() -> None:
    """Risk that rises while its user waits makes them go first."""
    planner = planner_of({"ann": changed(LOW), "bob": changed(LOW, last_event=1.0)})

    planner.learn("ann", changed(MEDIUM))

    assert take_all(planner, CHANGED) == ["ann", "bob"]


def test_an_unread_user_who_rises_to_high_changes_lanes() -> None:
    """They must not be asked about in both."""
    planner = planner_of({"ann": unread(LOW)})

    planner.learn("ann", unread(HIGH))

    assert take_all(planner, RELAXED) == []
    assert take_all(planner, URGENT) == ["ann"]


def test_who_rests_is_left_alone_until_then() -> None:
    """Whatever is learnt of them meanwhile."""
    planner = planner_of({"ann": changed(), "bob": changed()})
    taken = planner.take(URGENT, 0.0)
    assert taken == "ann"

    planner.cool_down("ann", until=60.0)
    planner.learn("ann", changed(HIGH, since=1.0))

    assert take_all(planner, URGENT, now=59.0) == ["bob"]
    assert planner.seconds_until_next(URGENT, 59.0) == 1.0
    assert take_all(planner, URGENT, now=60.0) == ["ann"]


def test_who_is_settled_while_resting_is_not_asked_about() -> None:
    """Rest is for those who are wanted."""
    planner = planner_of({"ann": changed()})
    planner.take(URGENT, 0.0)
    planner.cool_down("ann", until=60.0)

    planner.learn("ann", settled(30.0))

    assert take_all(planner, URGENT, now=60.0) == []


def test_a_clock_set_back_ends_all_rests() -> None:
    """A rest of a minute must not become one of an hour."""
    planner = planner_of({"ann": changed()})
    planner.take(URGENT, 10_000.0)
    planner.cool_down("ann", until=10_060.0)
    assert planner.take(URGENT, 10_001.0) is None

    assert planner.take(URGENT, 6_400.0) == "ann"


def test_pending_are_those_who_changed_until_they_are_read() -> None:
    """Being asked about is not being read; a first reading is no change."""
    planner = planner_of(
        {"ann": changed(since=5.0), "bob": changed(since=3.0), "cat": unread(), "dan": settled(0.0)}
    )
    planner.take(URGENT, 6.0)
    assert (planner.pending(RefreshReason.CHANGED), planner.pending_since) == (2, 3.0)
    assert planner.changed() == ("bob", "ann")

    planner.settle("bob", settled(6.0))

    assert (planner.pending(RefreshReason.CHANGED), planner.pending_since) == (1, 5.0)
    planner.settle("ann", settled(6.0))
    assert (planner.pending(RefreshReason.CHANGED), planner.pending_since) == (0, None)


def test_pending_counts_each_user_for_the_first_reason_that_applies() -> None:
    """A change goes before a first reading, and that before a refresh."""
    new = UserRecord(summary=changed().summary, due_since=1.0)
    planner = planner_of({"ann": new, "bob": unread(), "cat": unread(), "dan": settled(0.0)})
    assert [planner.pending(want) for want in RefreshReason] == [1, 2, 0]

    planner.settle("ann", settled(6.0))
    planner.settle("bob", settled(6.0))
    planner.learn("cat", UserRecord())
    assert [planner.pending(want) for want in RefreshReason] == [0, 0, 0]


def test_a_user_due_for_a_refresh_is_pending_until_they_are_read() -> None:
    """Being asked about is not being read."""
    planner = planner_of({"ann": settled(0.0)})
    assert planner.pending(RefreshReason.AGED) == 0

    assert planner.take(RELAXED, 1.5 * DAY) == "ann"
    assert planner.pending(RefreshReason.AGED) == 1
    planner.settle("ann", settled(1.5 * DAY))

    assert planner.pending(RefreshReason.AGED) == 0


def test_a_user_who_changes_again_is_pending_since_the_first_change() -> None:
    """The oldest change that is not read yet is what the metric shows."""
    planner = planner_of({})
    planner.learn("ann", changed(since=1.0))

    planner.learn("ann", changed(since=5.0))

    assert planner.pending_since == 1.0


def test_a_user_who_is_due_for_a_refresh_keeps_the_rank_of_a_change() -> None:
    """A change is more urgent than old details."""
    planner = planner_of({"ann": changed(HIGH, read=0.0)})

    assert planner.take(RELAXED, 2 * DAY) is None
    assert planner.take(URGENT, 2 * DAY) == "ann"


def test_details_that_grow_old_are_no_reason_to_wake_up_for_urgent_requests() -> None:
    """Old details are requested with the lowest priority alone."""
    planner = planner_of({"ann": settled(0.0)})

    assert planner.seconds_until_next(RELAXED, 0.0) == 0.75 * DAY
    assert planner.seconds_until_next(URGENT, 0.0) == float("inf")


def test_the_oldest_details_are_refreshed_first_in_whatever_order_users_are_loaded() -> None:
    """A store returns users by id."""
    planner = planner_of({"ann": settled(300.0), "bob": settled(100.0), "cat": settled(200.0)})

    assert [planner.take(RELAXED, n * DAY) for n in (1, 2, 3)] == ["bob", "cat", "ann"]


def test_a_user_who_is_learnt_again_without_a_new_reading_keeps_their_place() -> None:
    """Every change of a row teaches the planner the same instant of the last reading."""
    planner = planner_of({"ann": settled(100.0), "bob": settled(200.0)})

    planner.learn("ann", settled(100.0))

    assert planner.take(RELAXED, DAY) == "ann"


# Fairness --------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    before=st.integers(0, 20),
    newcomers=st.lists(st.integers(0, 3), min_size=1, max_size=40),
)
def test_nobody_starves(before: int, newcomers: list[int]) -> None:
    """Behind n others, a user is asked about within FAIR_TURN x (n + 1) turns.

    However many who are more urgent go on coming.
    """
    queue = UserQueue()
    for number in range(before):
        queue.put(f"before-{number}", Rank(URGENT, RefreshReason.CHANGED, -3, -float(number)))
    queue.put("patient", Rank(URGENT, RefreshReason.CHANGED, 0, 0.0))

    for turn in range(1, FAIR_TURN * (before + 1) + 1):
        for number in range(newcomers[turn % len(newcomers)]):
            queue.put(f"new-{turn}-{number}", Rank(URGENT, RefreshReason.CHANGED, -3, -1e9 - turn))
        if queue.take() == "patient":
            return
    raise AssertionError("the patient user starved")


def test_changing_while_waiting_loses_no_place() -> None:
    """Otherwise the busiest user would be the last to be asked about."""
    queue = UserQueue()
    queue.put("patient", Rank(URGENT, RefreshReason.CHANGED, 0, 0.0))
    for turn in range(1, FAIR_TURN):
        queue.put(f"new-{turn}", Rank(URGENT, RefreshReason.CHANGED, -3, 0.0))
        queue.put(f"other-{turn}", Rank(URGENT, RefreshReason.CHANGED, -3, 0.0))
        queue.put("patient", Rank(URGENT, RefreshReason.CHANGED, 0, -float(turn)))
        assert queue.take() != "patient"

    assert queue.take() == "patient"


def test_ranks_gone_by_do_not_pile_up() -> None:
    """A user who changes every minute of a lockout must not cost memory for each."""
    queue = UserQueue()
    queue.put("ann", Rank(URGENT, RefreshReason.CHANGED, -3, 0.0))

    for moment in range(100_000):
        queue.put("bob", Rank(URGENT, RefreshReason.CHANGED, 0, -float(moment)))

    assert len(queue._waiting._heap) < 2_000
    assert [queue.take(), queue.take(), queue.take()] == ["ann", "bob", None]


def test_a_user_whose_rank_fell_waits_behind_those_who_are_more_urgent_now() -> None:
    """The entry of the earlier rank is still in the heap."""
    queue = UserQueue()
    queue.put("ann", Rank(URGENT, RefreshReason.CHANGED, -3, 0.0))
    queue.put("bob", Rank(URGENT, RefreshReason.CHANGED, -1, 0.0))

    queue.put("ann", Rank(URGENT, RefreshReason.CHANGED, 0, 0.0))

    assert [queue.take(), queue.take()] == ["bob", "ann"]


def test_a_turn_that_is_overdue_is_due_in_zero_seconds() -> None:
    """A wait is never negative."""
    schedule = RefreshSchedule(max_age_seconds=DAY)
    schedule.add("ann", 0.0)

    assert schedule.seconds_until_next(2 * DAY) == 0.0


def test_the_first_turn_follows_the_newest_reading() -> None:
    """Two users share the 18 hours after the youngest six."""
    schedule = RefreshSchedule(max_age_seconds=DAY)
    schedule.add("ann", 0.0)
    schedule.add("bob", 0.5 * DAY)

    assert schedule.seconds_until_next(0.75 * DAY) == 0.125 * DAY


@pytest.mark.parametrize("users", [1, 7, 300])
def test_details_are_asked_for_again_before_they_are_too_old(users: int) -> None:
    """Even where all were read in the same moment, and evenly spread from then on."""
    planner = planner_of({f"u{n}": settled(0.0) for n in range(users)}, max_age_seconds=DAY)
    read_at = dict.fromkeys((f"u{n}" for n in range(users)), 0.0)
    turns, oldest, now = [], 0.0, 0.0

    while now < 5 * DAY:
        now += planner.seconds_until_next(RELAXED, now)
        user_id = planner.take(RELAXED, now)
        assert user_id is not None
        oldest = max(oldest, now - read_at[user_id])
        read_at[user_id] = now
        turns.append(now)
        planner.settle(user_id, settled(now))

    gaps = [after - before for before, after in pairwise(turns)]
    assert oldest <= DAY * 1.000001
    assert min(gaps) >= 0.75 * DAY / users * 0.999999
    assert len(turns) <= users * 5 / 0.75 + 1


def test_after_a_long_absence_old_details_do_not_bunch() -> None:
    """A machine that was off for a week is no reason for a burst."""
    planner = planner_of({f"u{n}": settled(0.0) for n in range(100)}, max_age_seconds=DAY)

    assert len(take_all(planner, RELAXED, now=7 * DAY)) == 1
    assert planner.seconds_until_next(RELAXED, 7 * DAY) == pytest.approx(0.75 * DAY / 99)


def test_a_restart_every_hour_does_not_put_off_old_details() -> None:
    """The spread goes on from the last reading, not from the start of the process."""
    records = {"ann": settled(0.0)}

    turns = [
        planner_of(records, max_age_seconds=DAY).take(RELAXED, 3600.0 * hour) for hour in range(25)
    ]

    assert turns.index("ann") == 18


def test_a_clock_set_back_does_not_put_off_old_details() -> None:
    """For as long as it was set back nobody's details would be asked for."""
    planner = planner_of({"ann": settled(100 * DAY), "bob": settled(100 * DAY)})
    planner.seconds_until_next(RELAXED, 100 * DAY)

    assert planner.seconds_until_next(RELAXED, 10 * DAY) <= DAY


def test_an_aged_user_whose_turn_failed_rests_and_is_asked_about_then() -> None:
    """Not only when their turn has come round again."""
    planner = planner_of({"ann": settled(0.0)})
    assert planner.take(RELAXED, 2 * DAY) == "ann"

    planner.cool_down("ann", until=2 * DAY + 60.0)
    planner.learn("ann", settled(0.0))

    assert planner.take(RELAXED, 2 * DAY + 59.0) is None
    assert planner.take(RELAXED, 2 * DAY + 60.0) == "ann"


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens to three users, in whatever order."""

    users = st.sampled_from(["ann", "bob", "cat"])

    def __init__(self) -> None:
        super().__init__()
        self.planner = Planner(max_age_seconds=100.0)
        self.records: dict[str, UserRecord] = {}
        self.asked: set[str] = set()
        self.resting: dict[str, float] = {}
        self.now = 0.0

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(user_id=users, level=st.sampled_from(RiskLevel))
    def change(self, user_id: str, level: RiskLevel) -> None:
        """A summary has another row, or none."""
        before = self.records.get(user_id, UserRecord())
        summary = None if level is RiskLevel.NONE else row(user_id, self.now, level=level)
        self._learn(user_id, UserRecord(summary, details_at=before.details_at, due_since=self.now))

    @rule(user_id=users)
    def begin_unread(self, user_id: str) -> None:
        """A baseline lists a user."""
        if user_id not in self.records:
            self._learn(user_id, unread())

    @rule(priority=st.sampled_from([URGENT, RELAXED]))
    def take(self, priority: Priority) -> None:
        """Somebody is asked about, who is free and wanted."""
        user_id = self.planner.take(priority, self.now)
        if user_id is None:
            return
        record = self.records[user_id]
        assert user_id not in self.asked
        assert self.resting.pop(user_id, self.now) <= self.now
        is_aged = record.details_at is not None and self.now - record.details_at >= 25.0
        assert record.due_since is not None or (
            record.summary is not None and (record.details_at is None or is_aged)
        )
        self.asked.add(user_id)

    @rule(user_id=users, is_read=st.booleans())
    def answer(self, user_id: str, *, is_read: bool) -> None:
        """The answer came, or none."""
        if user_id not in self.asked:
            return
        self.asked.remove(user_id)
        if is_read:
            self.records[user_id] = UserRecord(self.records[user_id].summary, details_at=self.now)
            self.planner.settle(user_id, self.records[user_id])
        else:
            self.resting[user_id] = self.now + 10.0
            self.planner.cool_down(user_id, until=self.now + 10.0)

    def _learn(self, user_id: str, record: UserRecord) -> None:
        self.records[user_id] = record
        self.planner.learn(user_id, record)

    @invariant()
    def nobody_who_is_wanted_is_forgotten(self) -> None:
        """Whoever is free and wanted makes it somebody's turn, at once."""
        for user_id, record in self.records.items():
            is_free = user_id not in self.asked and self.resting.get(user_id, 0.0) <= self.now
            rank = rank_of(record)
            if rank is not None and is_free:
                assert self.planner.seconds_until_next(rank.priority, self.now) == 0.0

    @invariant()
    def pending_is_who_changed(self) -> None:
        """As the metric says it."""
        waiting = [one for one in self.records.values() if one.due_since is not None]
        assert self.planner.pending(RefreshReason.CHANGED) == len(waiting)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=30)


def test_of_two_users_with_old_details_the_first_found_goes_first() -> None:
    """The later one waits."""
    assert Rank.aged(1.0) < Rank.aged(2.0)


def test_a_user_who_is_read_again_is_refreshed_after_those_read_before() -> None:
    """The order is that of the last readings."""
    schedule = RefreshSchedule(max_age_seconds=DAY)
    for user_id, read_at in (("ann", 0.0), ("bob", 1.0), ("ann", 2.0)):
        schedule.add(user_id, read_at)

    assert schedule.take(2 * DAY) == "bob"


def test_details_are_not_refreshed_in_the_first_quarter_of_the_maximal_age() -> None:
    """Even if there are so many users that the next turn would come sooner."""
    schedule = RefreshSchedule(max_age_seconds=DAY)
    for number in range(10):
        schedule.add(f"u{number}", 0.0)

    assert schedule.seconds_until_next(0.0) == 0.25 * DAY
    assert schedule.take(0.25 * DAY - 0.5) is None
