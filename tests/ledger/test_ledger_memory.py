"""Changes, one after another, as one."""

from copy import deepcopy

import pytest

from exporter.chunked import CHUNK_SIZE
from exporter.risk.ledger import (
    AccountRecord,
    Changes,
    CountedEvent,
    EventMark,
    NameRecord,
    UserRecord,
)
from exporter.risk.model import EventCount
from tests.support.ledgers import HIGH, LOW, event, row, started


def test_changes_joined_move_a_ledger_where_each_in_turn_does() -> None:
    """Changes kept after a failed commit are committed later in one piece."""
    first = Changes(
        users={"ann": UserRecord(summary=row("ann", 1.0)), "bob": UserRecord(details_at=1.0)},
        totals={("b", LOW): EventCount("b", LOW, 1, 0.0)},
        names={"B": NameRecord(None, "B")},
    )
    second = Changes(
        account=AccountRecord(created=0.0, baseline_at=5.0),
        users={"ann": UserRecord(summary=row("ann", 2.0))},
        totals={("b", LOW): EventCount("b", LOW, 2, 0.0)},
        names={"B": NameRecord("b", "B")},
    )
    in_turn, run_sync = started(), started()

    in_turn.apply(first)
    in_turn.apply(second)
    run_sync.apply(first.then(second))

    assert vars(run_sync.ledger) == vars(in_turn.ledger)


def test_a_later_record_wins_over_an_earlier_change_of_name() -> None:
    """The record with the old name would take back what was counted since."""
    renamed = UserRecord(summary=row("ann", 1.0, name="New"))
    counted = UserRecord(summary=row("ann", 2.0, name="New"), details_at=3.0)
    account = started(row("ann", 1.0))

    account.apply(Changes(renamed={"ann": renamed}).then(Changes(users={"ann": counted})))

    assert account.user("ann") == counted


def test_a_later_change_of_name_is_kept_beside_the_record() -> None:
    """The name is shown although the record alone is stored."""
    counted = UserRecord(summary=row("ann", 2.0), details_at=3.0)
    renamed = UserRecord(summary=row("ann", 2.0, name="New"), details_at=3.0)
    account = started(row("ann", 1.0))

    account.apply(Changes(users={"ann": counted}).then(Changes(renamed={"ann": renamed})))

    assert account.user("ann") == renamed


def test_of_two_moves_of_a_mark_the_later_holds() -> None:
    """A key forgotten and seen again is remembered; seen and then forgotten, it is not."""
    seen, forgotten = {b"k": EventMark(1), b"j": EventMark(1)}, {b"k": None}

    joined = Changes(marks={"ann": seen}).then(Changes(marks={"ann": forgotten}))

    assert joined.marks == {"ann": {b"k": None, b"j": EventMark(1)}}


def test_applying_changes_twice_is_applying_them_once() -> None:
    """A commit whose outcome is not known is repeated."""
    account = started(row("ann", 900.0, level=LOW))
    changes = account.summary(row("ann", 950.0, level=HIGH), now=1060.0)
    once = deepcopy(vars(account.ledger))

    account.apply(changes)

    assert vars(account.ledger) == once


SEEN = CountedEvent("ann", "b", event(1.0))
LATER = CountedEvent("ann", "b", event(2.0))
RECORD = UserRecord(summary=row("ann", 1.0))


@pytest.mark.parametrize(
    "changes",
    [
        Changes(account=AccountRecord(created=0.0)),
        Changes(users={"ann": RECORD}),
        Changes(totals={("b", LOW): EventCount("b", LOW, 1, 0.0)}),
        Changes(level_changes={(LOW, HIGH): 1}),
        Changes(names={"B": NameRecord(None, "B")}),
        Changes(marks={"ann": {b"k": None}}),
    ],
)
def test_each_kind_of_change_alone_must_be_stored(changes: Changes) -> None:
    """What is not stored is lost at the next start."""
    assert changes.must_be_stored


@pytest.mark.parametrize("changes", [Changes(), Changes(renamed={"ann": RECORD})])
def test_a_change_of_name_alone_is_not_stored(changes: Changes) -> None:
    """Emails and names are in no state."""
    assert not changes.must_be_stored


@pytest.mark.parametrize("changes", [Changes(renamed={"ann": RECORD}), Changes(counted=(SEEN,))])
def test_changes_that_are_not_stored_are_kept_when_joined(changes: Changes) -> None:
    """They are shown with the others."""
    joined = changes.then(Changes(level_changes={(LOW, HIGH): 1}))

    assert (joined.renamed, joined.counted) == (changes.renamed, changes.counted)


def test_of_two_changes_of_the_same_value_the_later_holds() -> None:
    """Both hold new values, not differences."""
    old, new = AccountRecord(created=0.0, resets=1), AccountRecord(created=0.0, resets=2)
    renamed = UserRecord(summary=row("ann", 1.0, name="New"))

    joined = Changes(account=old, level_changes={(LOW, HIGH): 1}, renamed={"ann": RECORD}).then(
        Changes(account=new, level_changes={(LOW, HIGH): 2}, renamed={"ann": renamed})
    )

    assert joined.account == new
    assert joined.level_changes == {(LOW, HIGH): 2}
    assert joined.renamed == {"ann": renamed}


def test_joined_changes_have_the_events_of_both_in_order() -> None:
    """Each is an event of the log."""
    assert Changes(counted=(SEEN,)).then(Changes(counted=(LATER,))).counted == (SEEN, LATER)


def test_joining_changes_leaves_both_as_they_were() -> None:
    """The first may be part of a commit that is under way."""
    first = Changes(marks={"ann": {b"k": EventMark(1)}})

    first.then(Changes(marks={"ann": {b"k": None}, "bob": {b"j": EventMark(1)}}))

    assert first.marks == {"ann": {b"k": EventMark(1)}}


def test_many_users_are_applied_in_steps() -> None:
    """Between two of them a scrape is answered."""
    users = {f"u{number}": RECORD for number in range(2 * CHUNK_SIZE)}

    steps = list(started().ledger.apply_in_steps(Changes(users=users)))

    assert len(steps) == 2
