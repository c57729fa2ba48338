"""How a summary moves the ledger."""

import pytest

from exporter.risk.ledger import Changes, SummaryFold, UserRecord
from exporter.risk.model import KnownRows, RiskLevel, SummaryReading, UserSummary
from tests.support.ledgers import HIGH, LOW, MEDIUM, NONE, Account, row, started


def test_the_first_summary_is_the_baseline() -> None:
    """Counting has to begin somewhere, and the whole past at once would be a spike."""
    account = Account()

    account.summary(row("ann", 900.0), now=1000.0)

    assert account.ledger.account.baseline_at == 1000.0
    assert account.user("ann").counted_after == 900.0


def test_an_empty_first_summary_is_a_baseline_too() -> None:
    """Nobody being risky is knowledge: whoever appears later is new."""
    account = started(now=1000.0)

    account.summary(row("ann", 900.0), now=1060.0)

    assert account.ledger.account.baseline_at == 1000.0
    assert account.user("ann").counted_after is None


def test_nobodys_level_changes_at_the_baseline() -> None:
    """We did not see those users rise."""
    account = started(row("ann", 900.0, level=HIGH))

    assert account.ledger.level_changes == {}


def test_users_of_the_baseline_are_not_wanted_as_changed() -> None:
    """A large account must not look like a hundred thousand news items."""
    account = started(row("ann", 900.0))

    assert account.user("ann").due_since is None


def test_a_summary_that_says_nothing_new_changes_nothing() -> None:
    """The usual poll has to cost nothing: no write, no rendering."""
    account = started(row("ann", 900.0))

    changes = account.summary(row("ann", 900.0), now=1060.0)

    assert changes == Changes()
    assert not changes.must_be_stored


@pytest.mark.parametrize(
    "changed",
    [
        row("ann", 1050.0),
        row("ann", 900.0, count=2),
        row("ann", 900.0, level=HIGH),
        row("ann", 900.0, count=0),
    ],
    ids=["last event", "more events", "level", "fewer events"],
)
def test_a_row_that_differs_in_risk_wants_details(changed: UserSummary) -> None:
    """Any of the three may be all that tells of an event, a late one included."""
    account = started(row("ann", 900.0))

    account.summary(changed, now=1060.0)

    assert account.user("ann").due_since == 1060.0
    assert account.user("ann").summary == changed


def test_a_change_of_name_alone_is_shown_and_neither_stored_nor_asked_about() -> None:
    """Who someone is called is no news of risk, and no identity goes to the disk."""
    account = started(row("ann", 900.0))
    renamed = row("ann", 900.0, email="ann@new.example", name="Ann N.")

    changes = account.summary(renamed, now=1060.0)

    assert not changes.must_be_stored
    assert account.user("ann") == UserRecord(summary=renamed, counted_after=900.0)


def test_details_are_wanted_since_the_first_of_several_changes() -> None:
    """The age of a backlog is measured from where it began."""
    account = started(row("ann", 900.0))

    account.summary(row("ann", 1050.0), now=1060.0)
    account.summary(row("ann", 1110.0), now=1120.0)

    assert account.user("ann").due_since == 1060.0


def test_a_new_user_is_wanted_and_rises_from_none() -> None:
    """A user not listed at the baseline is news in every respect."""
    account = started(now=1000.0)

    account.summary(row("ann", 1050.0, level=MEDIUM), now=1060.0)

    assert account.user("ann").due_since == 1060.0
    assert account.ledger.level_changes == {(NONE, MEDIUM): 1}


def test_each_move_between_levels_is_counted() -> None:
    """The pair tells rises from falls."""
    account = started(row("ann", 900.0, level=LOW), row("bob", 900.0, level=LOW))

    account.summary(row("ann", 1050.0, level=HIGH), row("bob", 1050.0, level=HIGH), now=1060.0)
    account.summary(row("ann", 1110.0, level=MEDIUM), row("bob", 1050.0, level=HIGH), now=1120.0)

    assert account.ledger.level_changes == {(LOW, HIGH): 2, (HIGH, MEDIUM): 1}


def test_a_user_no_longer_listed_falls_to_none_and_is_wanted_once_more() -> None:
    """Only their details can tell a reset from a departure."""
    account = started(row("ann", 900.0, level=HIGH))

    account.summary(now=1060.0)

    assert account.user("ann").summary is None
    assert account.user("ann").due_since == 1060.0
    assert account.ledger.level_changes == {(HIGH, NONE): 1}


def test_a_user_not_listed_any_more_changes_nothing_at_the_next_summary() -> None:
    """A departure is counted when it happens, not at every poll."""
    account = started(row("ann", 900.0, level=HIGH))
    account.summary(now=1060.0)

    assert account.summary(now=1120.0) == Changes()


def test_a_user_who_returns_keeps_their_record_and_is_wanted() -> None:
    """Counters go on from where they were, and the baseline still holds for old events."""
    account = started(row("ann", 900.0))
    account.summary(now=1060.0)
    account.missing("ann", now=1061.0)

    account.summary(row("ann", 1110.0, level=HIGH), now=1120.0)

    assert account.user("ann").counted_after == 900.0
    assert account.user("ann").due_since == 1120.0
    assert account.ledger.level_changes[NONE, HIGH] == 1


def test_an_empty_summary_after_the_baseline_unlists_everybody() -> None:
    """A well-formed empty list is an answer: everybody was cleared."""
    account = started(row("ann", 900.0), row("bob", 900.0))

    account.summary(now=1060.0)

    assert account.ledger.listed == set()


def test_a_user_has_one_text_for_their_id_however_often_it_is_told() -> None:
    """Each poll brings a new one, and a second for everybody would be ten megabytes of memory."""
    account = started(row("ann", 900.0))
    (user_id,) = account.ledger.users

    account.summary(row(b"ann".decode(), 950.0), now=1060.0)

    summary = account.user("ann").summary
    assert summary is not None
    assert summary.last_event == 950.0
    assert summary.user_id is user_id


def test_users_are_counted_by_level_as_they_come_and_go() -> None:
    """The gauge of users must be right without walking over all of them."""
    account = started(row("ann", 900.0, level=LOW), row("bob", 900.0, level=HIGH))

    account.summary(row("ann", 1050.0, level=HIGH), row("cat", 1050.0, level=LOW), now=1060.0)

    assert account.ledger.listed_by_level[HIGH] == 1
    assert account.ledger.listed_by_level[LOW] == 1
    assert account.ledger.listed == {"ann", "cat"}


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_two_rows_of_a_user_the_one_with_the_later_event_holds(*, is_reversed: bool) -> None:
    """Duplicates come in either order, and the later event is the fresher row."""
    older, newer = row("ann", 1050.0, level=HIGH), row("ann", 1055.0, level=LOW)
    account = started()

    account.summary(*((newer, older) if is_reversed else (older, newer)), now=1060.0)

    assert account.user("ann").summary == newer
    assert account.ledger.level_changes == {(NONE, LOW): 1}


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_two_rows_with_the_same_last_event_the_higher_level_holds(*, is_reversed: bool) -> None:
    """Where nothing tells which is fresher, the worse is believed."""
    milder, worse = row("ann", 1050.0, level=LOW), row("ann", 1050.0, level=HIGH)
    account = started()

    account.summary(*((worse, milder) if is_reversed else (milder, worse)), now=1060.0)

    assert account.user("ann").summary == worse


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_duplicate_older_than_what_is_known_changes_nothing(*, is_reversed: bool) -> None:
    """A stale copy beside the true row must not make the user flap."""
    known, stale = row("ann", 900.0), row("ann", 800.0)
    account = started(known)

    changes = account.summary(*((known, stale) if is_reversed else (stale, known)), now=1060.0)

    assert not changes.must_be_stored
    assert account.user("ann").summary == known


def test_duplicates_are_recognised_across_slices() -> None:
    """Where a body is cut is an accident of transport."""
    account = started()
    slices = [SummaryReading((row("ann", at),)) for at in (1050.0, 1055.0, 1040.0)]

    account.summary_in_slices(*slices, now=1060.0)

    assert account.user("ann").summary == row("ann", 1055.0)


def test_slices_together_list_everybody() -> None:
    """A user of an earlier slice is not absent because a later one does not name them."""
    account = started(row("ann", 900.0), row("bob", 900.0))
    slices = [SummaryReading((row(who, 900.0),)) for who in ("ann", "bob")]

    assert account.summary_in_slices(*slices, now=1060.0) == Changes()


def test_a_row_that_could_not_be_read_leaves_its_user_as_they_were() -> None:
    """One bad row is no departure: that would be a false all-clear."""
    account = started(row("ann", 900.0))

    changes = account.summary(now=1060.0, unreadable=1, kept=frozenset({"ann"}))

    assert changes == Changes()
    assert "ann" in account.ledger.listed


def test_a_row_of_nobody_leaves_everybody_listed() -> None:
    """The unreadable row may have been anybody's."""
    account = started(row("ann", 900.0), row("bob", 900.0))

    account.summary(row("bob", 1050.0), now=1060.0, unreadable=1)

    assert account.ledger.listed == {"ann", "bob"}


def test_a_row_of_nobody_in_one_slice_leaves_everybody_of_every_slice_listed() -> None:
    """Proof of absence is the whole summary's, not a slice's."""
    account = started(row("ann", 900.0))
    slices = [SummaryReading((), unreadable=1), SummaryReading(())]

    account.summary_in_slices(*slices, now=1060.0)

    assert account.ledger.listed == {"ann"}


def test_an_unreadable_row_of_the_baseline_puts_all_events_so_far_into_it() -> None:
    """We cannot know the user's last event, but they were listed: nothing old may count."""
    account = Account()
    account.summary(now=1000.0, unreadable=1, kept=frozenset({"ann"}))

    assert account.user("ann").counted_after == 1000.0


def test_an_unreadable_row_of_the_baseline_is_no_rise_once_it_can_be_read() -> None:
    """The user was listed all along; thousands of such rows would be a spike of rises."""
    account = Account()
    account.summary(now=1000.0, unreadable=1, kept=frozenset({"ann"}))

    account.summary(row("ann", 900.0, level=HIGH), now=1060.0)

    assert account.ledger.level_changes == {}


def test_a_user_unread_in_the_baseline_who_came_and_went_rises_when_they_return() -> None:
    """Only the first reading of their level is no rise."""
    account = Account()
    account.summary(now=1000.0, unreadable=1, kept=frozenset({"ann"}))
    account.summary(row("ann", 900.0, level=HIGH), now=1060.0)
    account.summary(now=1120.0)

    account.summary(row("ann", 1170.0, level=LOW), now=1180.0)

    assert account.ledger.level_changes == {(HIGH, NONE): 1, (NONE, LOW): 1}


def test_an_unknown_level_is_a_level_like_any_other() -> None:
    """A word of tomorrow's API must neither fail a poll nor hide a user."""
    account = started(row("ann", 900.0, level=LOW))

    account.summary(row("ann", 1050.0, level=RiskLevel.UNKNOWN), now=1060.0)

    assert account.ledger.level_changes == {(LOW, RiskLevel.UNKNOWN): 1}
    assert account.ledger.listed == {"ann"}


def test_a_fold_given_up_half_way_leaves_no_trace() -> None:
    """A body cut short in its middle must not have unlisted or changed anybody."""
    account = started(row("ann", 900.0))
    before = dict(account.ledger.users)

    SummaryFold(account.ledger, now=1060.0).add(SummaryReading((row("ann", 1050.0),)))

    assert account.ledger.users == before


def learnt(account: Account, *rows: UserSummary, known: KnownRows, now: float = 1060.0) -> Changes:
    """Fold a summary of which each row was decoded and has its position as fingerprint."""
    fold = SummaryFold(account.ledger, now=now, known=known)
    fold.add(SummaryReading(rows, fingerprints=range(len(rows))))
    return account.apply(fold.finish())


def recalled(account: Account, *rows: UserSummary, known: KnownRows) -> Changes:
    """Fold a summary of which each row was recalled."""
    fold = SummaryFold(account.ledger, now=1120.0, known=known)
    fold.add(SummaryReading((), recalled=rows))
    return account.apply(fold.finish())


def test_a_row_equal_to_the_ledgers_is_known_by_its_fingerprint() -> None:
    """The ledger's own value is kept, so that known rows take no memory of their own."""
    known: KnownRows = {}
    account = started(row("ann", 900.0), row("bob", 900.0))

    learnt(account, row("ann", 900.0), row("bob", 950.0), known=known)

    assert known.keys() == {0}
    assert known[0] is account.user("ann").summary


def test_recalled_rows_change_nothing_and_keep_their_users_listed() -> None:
    """They are exactly what the ledger has."""
    known: KnownRows = {}
    account = started(row("ann", 900.0), row("bob", 900.0))
    learnt(account, row("ann", 900.0), row("bob", 900.0), known=known)

    assert recalled(account, *known.values(), known=known) == Changes()
    assert account.ledger.listed == {"ann", "bob"}


def test_a_user_who_is_not_recalled_has_left() -> None:
    """Only the rows of this summary count."""
    known: KnownRows = {}
    account = started(row("ann", 900.0), row("bob", 900.0))
    learnt(account, row("ann", 900.0), row("bob", 900.0), known=known)

    recalled(account, known[0], known=known)

    assert account.ledger.listed == {"ann"}


def test_a_recalled_row_of_an_earlier_state_is_a_change() -> None:
    """A user may go back to a row they had before."""
    known: KnownRows = {}
    account = started(row("ann", 900.0, level=HIGH))
    learnt(account, row("ann", 900.0, level=HIGH), known=known)
    account.summary(row("ann", 900.0, level=LOW), now=1070.0)

    recalled(account, known[0], known=known)

    assert account.user("ann").level is HIGH
    assert account.ledger.level_changes == {(HIGH, LOW): 1, (LOW, HIGH): 1}


def test_a_recalled_row_beside_a_later_one_of_the_same_user_is_the_older() -> None:
    """The later event wins whether a row was decoded or not, and in any order."""
    known: KnownRows = {}
    account = started(row("ann", 900.0))
    learnt(account, row("ann", 900.0), known=known)
    fold = SummaryFold(account.ledger, now=1120.0, known=known)

    fold.add(SummaryReading((row("ann", 1050.0),), recalled=[known[0]]))
    account.apply(fold.finish())

    assert account.user("ann").summary == row("ann", 1050.0)


def test_known_rows_are_forgotten_once_most_of_them_are_old() -> None:
    """Rows that changed stay known, so their number has to be bounded."""
    account = started(row("ann", 900.0))
    known = dict.fromkeys(range(1003), row("old", 1.0))
    few = dict.fromkeys(range(1002), row("old", 1.0))

    for rows in (known, few):
        SummaryFold(account.ledger, now=1060.0, known=rows).finish()

    assert not known
    assert len(few) == 1002


def test_a_row_recalled_twice_changes_nothing() -> None:
    """The API may repeat a row on the next page."""
    account = started(row("ann", 900.0))
    known = account.user("ann").summary
    assert known is not None

    changes = account.summary_in_slices(
        SummaryReading((), 0, frozenset(), recalled=(known, known)), now=1060.0
    )

    assert changes == Changes()


def test_a_row_that_is_repeated_changes_nothing() -> None:
    """It is not a change of name either."""
    account = started(row("ann", 900.0))

    assert account.summary(row("ann", 900.0), row("ann", 900.0), now=1060.0) == Changes()


def test_an_unreadable_row_of_an_early_slice_keeps_its_user_listed() -> None:
    """The slices after it do not have the user."""
    account = started(row("ann", 900.0), row("bob", 900.0))

    changes = account.summary_in_slices(
        SummaryReading((), 1, frozenset({"bob"})),
        SummaryReading((row("ann", 900.0),), 0, frozenset()),
        now=1060.0,
    )

    assert changes == Changes()


def test_an_event_without_a_change_of_level_is_no_level_change() -> None:
    """No counter leads from a level to itself."""
    account = started(row("ann", 900.0, level=LOW))

    changes = account.summary(row("ann", 950.0, level=LOW), now=1060.0)

    assert not changes.level_changes


def test_a_level_change_that_happens_again_is_added() -> None:
    """The counter has both."""
    account = started(row("ann", 900.0, level=LOW))

    for now, level in ((1060.0, HIGH), (1120.0, LOW), (1180.0, HIGH)):
        account.summary(row("ann", now - 10.0, level=level), now=now)

    assert account.ledger.level_changes == {(LOW, HIGH): 2, (HIGH, LOW): 1}
