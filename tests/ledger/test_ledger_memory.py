"""Changes, one after another, as one."""

from copy import deepcopy

from exporter.risk.ledger import AccountRecord, Changes, EventMark, NameRecord, UserRecord
from exporter.risk.model import EventCount
from tests.support.ledgers import HIGH, LOW, row, started


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
