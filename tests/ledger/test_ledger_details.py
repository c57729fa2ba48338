"""How a user's details move the ledger: what counts, what does not, and what is a reset."""

import pytest

from exporter.risk.ledger import EventMark
from exporter.risk.ledger.details import MARKS_KEPT_SECONDS, STALE_ANSWERS_LIMIT
from exporter.risk.model import Exemplar, RiskEvent, RiskLevel
from tests.support.ledgers import DAY, HIGH, LOW, MEDIUM, Account, event, row, started


@pytest.fixture
def listed() -> Account:
    """Ann appeared after an empty baseline, so that each of her events counts."""
    account = started(now=1000.0)
    account.summary(row("ann", 1050.0), now=1060.0)
    return account


# Events -------------------------------------------------------------------------------------


def test_each_event_of_a_new_user_counts(listed: Account) -> None:
    """A user not listed in the baseline brings their whole history."""
    listed.details("ann", event(500.0, level=HIGH), event(1050.0), now=1061.0)

    assert listed.counts() == {("Impossible travel", HIGH): 1, ("Impossible travel", LOW): 1}


def test_a_user_total_grows_with_the_account_total(listed: Account) -> None:
    """Sums over users have to agree with the account's own counter."""
    listed.details("ann", event(500.0), event(1050.0), now=1061.0)

    (entry,) = listed.user("ann").events
    assert entry.count == listed.total() == 2


def test_an_event_answered_again_does_not_count_again(listed: Account) -> None:
    """Details are asked for at every change, and repeat what they said."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", event(1050.0), now=1121.0)

    assert listed.total() == 1


def test_a_repeated_answer_moves_no_mark(listed: Account) -> None:
    """Cost must grow with what changed."""
    listed.details("ann", event(1050.0), now=1061.0)

    assert listed.details("ann", event(1050.0), now=1121.0).marks == {}


def test_two_events_alike_in_one_answer_are_two(listed: Account) -> None:
    """It is open whether an id is unique, so a second copy is a second event."""
    listed.details("ann", event(1050.0), event(1050.0), now=1061.0)

    assert listed.total() == 2


def test_a_second_event_alike_counts_once_when_it_joins(listed: Account) -> None:
    """Only what exceeds the most copies ever seen is new."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", event(1050.0), event(1050.0), now=1121.0)
    listed.details("ann", event(1050.0), now=1181.0)
    listed.details("ann", event(1050.0), event(1050.0), now=1241.0)

    assert listed.total() == 2


def test_a_late_event_with_an_old_timestamp_counts(listed: Account) -> None:
    """How late an event can appear is open, so no watermark may pass it over."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", event(10.0), event(1050.0), now=1121.0)

    assert listed.total() == 2


def test_an_event_of_the_baseline_never_counts() -> None:
    """However often and however late it is answered."""
    account = started(row("ann", 900.0))

    account.details("ann", event(900.0), event(899.0), now=1001.0)
    account.details("ann", event(900.0), event(10.0), now=9999.0)

    assert account.total() == 0
    assert account.marks == {}


def test_an_event_after_a_baseline_users_last_one_counts() -> None:
    """The baseline ends with the last event it told of, not with the poll."""
    account = started(row("ann", 900.0), now=1000.0)

    account.details("ann", event(900.0), event(900.5), now=1001.0)

    assert account.total() == 1


@pytest.mark.parametrize(
    ("in_summary", "in_details"),
    [(900.0, 900.7), (900.123, 900.123456)],
    ids=["seconds", "milliseconds"],
)
def test_a_baseline_event_told_with_more_digits_than_the_summary_never_counts(
    in_summary: float, in_details: float
) -> None:
    """It is open how many digits each answer carries; every listed user would make a spike."""
    account = started(row("ann", in_summary), now=1000.0)

    account.details("ann", event(in_details), event(899.0), now=1001.0)
    account.details("ann", event(in_details), event(1050.0), now=1061.0)

    assert account.total() == 1


def test_the_baseline_holds_for_a_user_who_left_and_returned() -> None:
    """Old events of theirs must not become new because they were away."""
    account = started(row("ann", 900.0))
    account.summary(now=1060.0)
    account.missing("ann", now=1061.0)
    account.summary(row("ann", 1110.0), now=1120.0)

    account.details("ann", event(900.0), event(1110.0), now=1121.0)

    assert account.total() == 1


def test_an_event_that_vanished_and_is_back_does_not_count_again(listed: Account) -> None:
    """Partial answers happen, and a behavior switched off may hide its events."""
    listed.details("ann", event(1050.0), event(1051.0), now=1061.0)
    listed.details("ann", event(1051.0), now=1121.0)
    listed.details("ann", event(1050.0), event(1051.0), now=1061.0 + 29 * DAY)

    assert listed.total() == 2


def test_an_event_gone_for_too_long_is_forgotten(listed: Account) -> None:
    """Memory of events is bounded by the time the API may bring them back."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", now=1121.0)
    listed.details("ann", now=1121.0 + MARKS_KEPT_SECONDS)
    assert len(listed.marks["ann"]) == 1

    listed.details("ann", now=1121.0 + MARKS_KEPT_SECONDS + 1.0)

    assert listed.marks["ann"] == {}


def test_an_event_back_after_it_was_forgotten_counts_as_new(listed: Account) -> None:
    """The defined price of a bounded memory."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", now=1121.0)
    listed.details("ann", now=1122.0 + MARKS_KEPT_SECONDS)

    listed.details("ann", event(1050.0), now=1123.0 + MARKS_KEPT_SECONDS)

    assert listed.total() == 2


def test_an_event_back_late_but_still_remembered_does_not_count_again(listed: Account) -> None:
    """Once is the promise; forgetting is only allowed, not owed."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", now=1121.0)

    listed.details("ann", event(1050.0), now=1122.0 + MARKS_KEPT_SECONDS)

    assert listed.total() == 1


def test_an_event_that_is_back_is_not_gone_any_more(listed: Account) -> None:
    """Its thirty days begin again when it vanishes again."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", now=1121.0)
    listed.details("ann", event(1050.0), now=1181.0)

    assert list(listed.marks["ann"].values()) == [EventMark(1)]


def test_an_events_level_is_no_part_of_it(listed: Account) -> None:
    """A corrected level is the same event, counted under the level it first had."""
    listed.details("ann", event(1050.0, level=LOW), now=1061.0)
    listed.details("ann", event(1050.0, level=HIGH), now=1121.0)

    assert listed.counts() == {("Impossible travel", LOW): 1}


@pytest.mark.parametrize(
    "other",
    [event(1050.0, id="f"), event(1050.0, name="DLP"), event(1050.000001)],
    ids=["id", "name", "timestamp"],
)
def test_events_that_differ_in_any_part_are_two(listed: Account, other: RiskEvent) -> None:
    """Each of the three may be all that tells two events apart."""
    listed.details("ann", event(1050.0), other, now=1061.0)

    assert listed.total() == 2


def test_an_event_of_unknown_level_counts_under_it(listed: Account) -> None:
    """Never lost, and never filed under a level it does not have."""
    listed.details("ann", event(1050.0, level=RiskLevel.UNKNOWN), now=1061.0)

    assert listed.counts() == {("Impossible travel", RiskLevel.UNKNOWN): 1}


def test_the_same_event_of_two_users_counts_for_each(listed: Account) -> None:
    """An event belongs to a user; its key is theirs alone."""
    listed.summary(row("ann", 1050.0), row("bob", 1050.0), now=1062.0)

    listed.details("ann", event(1050.0), now=1063.0)
    listed.details("bob", event(1050.0), now=1064.0)

    assert listed.total() == 2


def test_what_was_counted_is_told(listed: Account) -> None:
    """Detection delay and logs are about events first seen, and only those."""
    first = listed.details("ann", event(1050.0), now=1061.0)
    second = listed.details("ann", event(1050.0), event(1110.0, level=MEDIUM), now=1121.0)

    assert [one.event.timestamp for one in first.counted] == [1050.0]
    assert [(one.user_id, one.event.level) for one in second.counted] == [("ann", MEDIUM)]


def test_a_counter_points_to_its_newest_event(listed: Account) -> None:
    """A late event must not take the place of the latest one."""
    listed.details("ann", event(1050.0, id="new"), event(10.0, id="late"), now=1061.0)

    (entry,) = listed.ledger.totals.values()
    assert entry.exemplar == Exemplar("new", 1050.0)


@pytest.mark.parametrize("timestamp", [1050.0, 1050.0004, 1049.0])
def test_an_exemplar_is_replaced_by_an_event_of_a_later_millisecond_alone(
    listed: Account, timestamp: float
) -> None:
    """Prometheus keeps exemplars by the millisecond, and refuses what is not later."""
    listed.details("ann", event(1050.0, id="shown"), now=1061.0)
    listed.details("ann", event(1050.0, id="shown"), event(timestamp, id="other"), now=1062.0)

    (entry,) = listed.ledger.totals.values()
    assert (entry.count, entry.exemplar) == (2, Exemplar("shown", 1050.0))


@pytest.mark.parametrize("timestamp", [1040.0, 1055.0, 1062.0])
def test_an_event_from_before_the_ledger_was_loaded_or_after_now_is_no_exemplar(
    listed: Account, timestamp: float
) -> None:
    """Another process may have shown a later one, or may come to show an earlier one."""
    listed.ledger.exemplars_after = 1055.0

    listed.details("ann", event(timestamp), now=1061.0)
    (entry,) = listed.ledger.totals.values()
    assert (entry.count, entry.exemplar) == (1, None)

    listed.details("ann", event(timestamp), event(1060.0, id="new"), now=1063.0)
    (entry,) = listed.ledger.totals.values()
    assert (entry.count, entry.exemplar) == (2, Exemplar("new", 1060.0))


def test_a_counter_began_when_its_first_event_was_counted(listed: Account) -> None:
    """OpenMetrics tells a restart of a counter by its creation, so it must not move."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", event(1110.0), now=1121.0)

    assert [entry.created for entry in listed.ledger.totals.values()] == [1061.0]
    assert [entry.created for entry in listed.user("ann").events] == [1061.0]


def test_the_events_of_somebody_unheard_of_count() -> None:
    """Whoever is asked about has no baseline of their own unless a summary gave one."""
    account = started(now=1000.0)

    account.details("eve", event(1050.0), now=1061.0)

    assert account.total() == 1


# Vanished users -----------------------------------------------------------------------------


def test_the_events_of_a_user_not_listed_begin_to_be_forgotten(listed: Account) -> None:
    """Nobody asks about them any more, so nothing else would ever end their memory."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)

    listed.details("ann", event(1050.0), now=1121.0)

    assert list(listed.marks["ann"].values()) == [EventMark(1, gone_at=1121.0)]


def test_an_event_first_seen_of_a_user_not_listed_counts_and_begins_to_be_forgotten(
    listed: Account,
) -> None:
    """The last look at a vanished user can show what the summary never told."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)

    listed.details("ann", event(1050.0), event(1100.0), now=1121.0)

    assert listed.total() == 2
    assert {mark.gone_at for mark in listed.marks["ann"].values()} == {1121.0}


def test_asking_again_about_a_user_not_listed_does_not_prolong_memory(listed: Account) -> None:
    """The thirty days run from when the user was last listed, not from the last look."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)
    listed.details("ann", event(1050.0), now=1121.0)

    listed.details("ann", event(1050.0), now=1121.0 + DAY)

    assert list(listed.marks["ann"].values()) == [EventMark(1, gone_at=1121.0)]


def test_events_of_a_user_who_returns_are_remembered_and_live_again(listed: Account) -> None:
    """A return within thirty days counts nothing twice, and ends the forgetting."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)
    listed.details("ann", event(1050.0), now=1121.0)
    listed.summary(row("ann", 1170.0), now=1180.0)

    listed.details("ann", event(1050.0), event(1170.0), now=1181.0)

    assert listed.total() == 2
    assert set(listed.marks["ann"].values()) == {EventMark(1)}


def test_a_departed_user_keeps_their_counters(listed: Account) -> None:
    """A total that fell would read as a restart of the counter."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)
    listed.missing("ann", now=1121.0)

    assert listed.total() == 1
    assert listed.user("ann").events[0].count == 1


def test_a_departed_user_is_not_asked_about_again(listed: Account) -> None:
    """A 404 answers the question."""
    listed.summary(now=1120.0)
    listed.missing("ann", now=1121.0)

    assert listed.user("ann").due_since is None


def test_a_departed_users_events_begin_to_be_forgotten(listed: Account) -> None:
    """As if they had vanished from an answer."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.summary(now=1120.0)
    listed.missing("ann", now=1121.0)

    assert list(listed.marks["ann"].values()) == [EventMark(1, gone_at=1121.0)]


def test_who_is_listed_stays_listed_where_the_details_say_404(listed: Account) -> None:
    """The summary alone says who is risky now."""
    listed.missing("ann", now=1061.0)

    assert listed.ledger.listed == {"ann"}
    assert listed.user("ann").details_at == 1061.0


def test_a_404_about_somebody_listed_is_older_than_the_summary(listed: Account) -> None:
    """A user just listed may not be known everywhere yet; their events must not wait for a day."""
    listed.missing("ann", now=1061.0)

    assert listed.user("ann").due_since == 1060.0
    assert listed.user("ann").stale_answers == 1


def test_a_404_told_too_often_about_somebody_listed_is_believed(listed: Account) -> None:
    """Requests are not spent for ever on a user the API does not know."""
    for number in range(STALE_ANSWERS_LIMIT):
        listed.missing("ann", now=1061.0 + number)

    assert listed.user("ann").due_since is None
    assert listed.user("ann").stale_answers == 0


# Resets -------------------------------------------------------------------------------------


def test_a_later_reset_than_the_known_one_is_one_reset(listed: Account) -> None:
    """However many there were between two answers: only the last one is told."""
    listed.details("ann", event(1050.0), now=1061.0, last_reset=500.0)

    listed.details("ann", now=1121.0, last_reset=1100.0)

    assert listed.resets == 1
    assert listed.user("ann").last_reset == 1100.0


def test_a_reset_told_again_is_not_another(listed: Account) -> None:
    """Every answer repeats it."""
    for now in (1121.0, 1181.0, 1241.0):
        listed.details("ann", now=now, last_reset=1100.0)

    assert listed.resets == 1


def test_a_first_reset_after_details_without_one_is_a_reset(listed: Account) -> None:
    """The user had never been cleared, and now was."""
    listed.details("ann", event(1050.0), now=1061.0)

    listed.details("ann", now=1121.0, last_reset=1100.0)

    assert listed.resets == 1


def test_an_answer_older_than_a_known_reset_takes_nothing_back(listed: Account) -> None:
    """Reads of the API may lag behind each other."""
    listed.details("ann", now=1121.0, last_reset=1100.0)
    listed.details("ann", now=1122.0)
    listed.details("ann", now=1123.0, last_reset=900.0)
    listed.details("ann", now=1124.0, last_reset=1100.0)

    assert listed.resets == 1
    assert listed.user("ann").last_reset == 1100.0


def test_a_reset_from_before_the_baseline_is_no_news(listed: Account) -> None:
    """It was there when counting began."""
    listed.details("ann", event(1050.0), now=1061.0, last_reset=500.0)

    assert listed.resets == 0
    assert listed.user("ann").last_reset == 500.0


def test_a_reset_after_the_baseline_is_news_in_the_first_answer(listed: Account) -> None:
    """A user who appeared, was cleared and was asked about only then."""
    listed.details("ann", now=1121.0, last_reset=1100.0)

    assert listed.resets == 1


def test_a_baseline_user_cleared_since_their_last_event_was_reset() -> None:
    """Being listed in the baseline proves that the clearing came after it."""
    account = started(row("ann", 900.0), now=1000.0)
    account.summary(now=1060.0)

    account.details("ann", now=1061.0, last_reset=1030.0)

    assert account.resets == 1


def test_a_baseline_user_cleared_while_the_baseline_was_on_its_way_was_reset() -> None:
    """Their last event, not our clock, says what the summary knew of."""
    account = started(row("ann", 900.0), now=1000.0)
    account.summary(now=1060.0)

    account.details("ann", now=1061.0, last_reset=999.0)

    assert account.resets == 1


def test_a_baseline_user_cleared_before_their_last_event_was_not_reset_since() -> None:
    """They triggered again after it, and so were listed."""
    account = started(row("ann", 900.0), now=1000.0)

    account.details("ann", event(900.0), now=1001.0, last_reset=800.0)

    assert account.resets == 0


def test_an_old_reset_told_after_a_404_is_no_news() -> None:
    """A 404 told nothing of resets, so the first answer after it is still the first."""
    account = started(row("ann", 900.0), now=1000.0)
    account.summary(now=1060.0)
    account.missing("ann", now=1061.0)
    account.summary(row("ann", 1110.0), now=1120.0)

    account.details("ann", event(1110.0), now=1121.0, last_reset=800.0)

    assert account.resets == 0


# Stale answers ------------------------------------------------------------------------------


def test_details_as_new_as_the_summary_satisfy_it(listed: Account) -> None:
    """Then nothing is wanted any more."""
    listed.details("ann", event(1050.0), now=1061.0)

    assert listed.user("ann").due_since is None
    assert listed.user("ann").details_at == 1061.0


def test_details_older_than_the_summary_count_and_stay_wanted(listed: Account) -> None:
    """What they say is true; what they lack is still to come."""
    listed.details("ann", event(500.0), now=1061.0)

    assert listed.total() == 1
    assert listed.user("ann").due_since == 1060.0


def test_details_too_often_older_than_the_summary_are_not_awaited(listed: Account) -> None:
    """A list the API cuts short must not eat the quota for ever."""
    for _ in range(STALE_ANSWERS_LIMIT):
        assert listed.user("ann").due_since == 1060.0
        listed.details("ann", event(500.0), now=1061.0)

    assert listed.user("ann").due_since is None


def test_a_new_change_makes_stale_answers_wanted_again(listed: Account) -> None:
    """The limit is for one change, not for a user's life."""
    for _ in range(STALE_ANSWERS_LIMIT):
        listed.details("ann", event(500.0), now=1061.0)
    listed.summary(row("ann", 1110.0), now=1120.0)

    listed.details("ann", event(500.0), now=1121.0)

    assert listed.user("ann").due_since == 1120.0


def test_a_stale_age_refresh_makes_nobody_wanted() -> None:
    """Nothing changed; the next refresh comes by itself."""
    account = started(row("ann", 900.0))

    account.details("ann", event(500.0), now=1001.0)

    assert account.user("ann").due_since is None


def test_an_event_told_with_fewer_digits_than_the_summary_is_not_missing(listed: Account) -> None:
    """It is open whether both give the same precision."""
    listed.summary(row("ann", 1050.75, count=2), now=1062.0)

    listed.details("ann", event(1050.0), now=1063.0)

    assert listed.user("ann").due_since is None


def test_an_answer_about_a_vanished_user_is_never_stale(listed: Account) -> None:
    """There is no summary row it could be older than."""
    listed.summary(now=1120.0)

    listed.details("ann", now=1121.0, last_reset=1100.0)

    assert listed.user("ann").due_since is None


def test_one_stale_answer_before_a_new_change_does_not_count_for_it(listed: Account) -> None:
    """The API gets all its attempts for each change."""
    listed.details("ann", event(500.0), now=1061.0)
    listed.summary(row("ann", 1110.0), now=1120.0)

    for _ in range(STALE_ANSWERS_LIMIT - 1):
        listed.details("ann", event(500.0), now=1121.0)

    assert listed.user("ann").due_since == 1060.0


def test_a_stale_answer_that_no_change_awaited_is_not_counted_as_stale() -> None:
    """The next request does not wait because of it."""
    account = started(row("ann", 900.0))

    account.details("ann", event(500.0), now=1061.0)

    assert account.user("ann").stale_answers == 0


def test_the_newest_event_decides_whether_an_answer_is_stale(listed: Account) -> None:
    """Older events stand beside it."""
    listed.details("ann", event(1050.0), event(500.0), now=1061.0)

    assert listed.user("ann").due_since is None


# The rules' numbers, and what an answer keeps --------------------------------------------------


def test_a_listed_user_is_awaited_for_three_stale_answers(listed: Account) -> None:
    """The third ends it."""
    due = []
    for _ in range(3):
        listed.details("ann", event(500.0), now=1061.0)
        due.append(listed.user("ann").due_since)

    assert due == [1060.0, 1060.0, None]


def test_a_vanished_event_is_remembered_for_thirty_days(listed: Account) -> None:
    """Its key is forgotten after them."""
    listed.details("ann", event(1050.0), now=1061.0)
    listed.details("ann", now=2000.0)

    listed.details("ann", now=2000.0 + 30 * DAY)
    assert len(listed.marks["ann"]) == 1

    listed.details("ann", now=2001.0 + 30 * DAY)
    assert not listed.marks["ann"]


@pytest.mark.parametrize(
    "other",
    [
        event(1050.0, id="f"),
        event(1050.0, name="Another"),
        event(1050.5),
    ],
)
def test_an_event_that_differs_in_any_part_counts_after_the_other_vanished(
    listed: Account, other: RiskEvent
) -> None:
    """It is not the earlier one that is back."""
    listed.details("ann", event(1050.0), now=1061.0)

    listed.details("ann", other, now=1062.0)

    assert listed.total() == 2


def test_an_id_and_a_name_that_join_to_the_same_text_are_two_events(listed: Account) -> None:
    """The boundary between both is part of the key."""
    listed.details("ann", event(1050.0, id="ab", name="c"), now=1061.0)

    listed.details("ann", event(1050.0, id="a", name="bc"), now=1062.0)

    assert listed.total() == 2


def test_a_name_that_is_no_valid_text_counts(listed: Account) -> None:
    """JSON can escape half of a surrogate pair."""
    listed.details("ann", event(1050.0, name="\ud800"), now=1061.0)

    assert listed.total() == 1


def test_of_events_alike_the_last_in_the_answer_is_the_new_one(listed: Account) -> None:
    """Only its level may differ, and the counter of that level grows."""
    listed.details("ann", event(1050.0, level=LOW), now=1061.0)

    listed.details("ann", event(1050.0, level=LOW), event(1050.0, level=HIGH), now=1062.0)

    assert {level for _, level in listed.counts()} == {LOW, HIGH}


def test_all_events_of_the_second_that_ended_the_baseline_belong_to_it() -> None:
    """The summary had the last of them without its fraction."""
    account = started(row("ann", 900.0))

    account.details("ann", event(900.2, id="e1"), event(900.7, id="e2"), now=1061.0)

    assert account.total() == 0


def test_a_reset_of_a_baseline_user_that_is_answered_again_is_one_reset() -> None:
    """The reset that is known goes before the baseline."""
    account = started(row("ann", 900.0))
    for now in (1200.0, 1300.0):
        account.details("ann", event(900.0), now=now, last_reset=1100.0)

    assert account.resets == 1


def test_a_new_counter_of_a_user_leaves_the_others(listed: Account) -> None:
    """A user may trigger several behaviors."""
    first, second = event(1050.0, name="One"), event(1060.0, name="Two")
    listed.details("ann", first, now=1061.0)

    listed.details("ann", first, second, now=1062.0)

    assert {entry.behavior for entry in listed.user("ann").events} == {"One", "Two"}


def test_a_name_that_is_known_is_not_stored_again(listed: Account) -> None:
    """Only new names are changes."""
    listed.details("ann", event(1050.0, name="One"), now=1061.0)

    changes = listed.details("ann", event(1060.0, name="One"), now=1062.0)

    assert not changes.names


def test_an_event_of_this_very_instant_may_be_an_exemplar(listed: Account) -> None:
    """Only later ones may not."""
    listed.details("ann", event(1061.0), now=1061.0)

    ((_, entry),) = listed.ledger.totals.items()
    assert entry.exemplar == Exemplar("e", 1061.0)
