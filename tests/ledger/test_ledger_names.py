"""What an event's name stands for, through renames and new behaviors."""

from exporter.risk.ledger import NameRecord
from exporter.risk.model import LISTED_LEVELS
from tests.support.ledgers import HIGH, LOW, Account, behavior, event, row, started


def _listed() -> Account:
    account = started(now=1000.0)
    account.summary(row("ann", 1050.0), now=1060.0)
    return account


def test_every_level_of_a_configured_behavior_begins_at_zero() -> None:
    """`rate` and `increase` miss a counter's first step unless a zero came before it."""
    account = started()

    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    zeros = {pair: entry.count for pair, entry in account.ledger.totals.items()}
    assert zeros == {("imp_travel", level): 0 for level in LISTED_LEVELS}
    assert {entry.created for entry in account.ledger.totals.values()} == {1001.0}


def test_behaviors_read_again_change_nothing() -> None:
    """The usual poll has to cost nothing."""
    account = started()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    changes = account.behaviors(behavior("imp_travel", "Impossible travel"), now=1301.0)

    assert not changes.must_be_stored


def test_a_counter_is_not_set_back_to_zero_by_a_behavior_configured_later() -> None:
    """Events may be counted under a key before the configuration names it."""
    account = _listed()
    account.details("ann", event(1050.0, name="imp_travel"), now=1061.0)

    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1301.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_an_event_counts_under_its_behaviors_key() -> None:
    """Names are for people and change; the key is the behavior."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    account.details("ann", event(1050.0, name="Impossible travel", level=HIGH), now=1061.0)

    assert account.counts() == {("imp_travel", HIGH): 1}


def test_an_event_named_by_the_key_counts_under_it() -> None:
    """It is open whether an event's name is the behavior's name or its key."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    account.details("ann", event(1050.0, name="imp_travel"), now=1061.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_an_event_whose_id_names_the_behavior_counts_under_it() -> None:
    """It is open whether an event's id names its behavior."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    account.details("ann", event(1050.0, id="imp_travel", name="Trip"), now=1061.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_an_event_of_no_configured_behavior_counts_under_its_own_name() -> None:
    """Better an unfamiliar label than a lost event."""
    account = _listed()

    account.details("ann", event(1050.0, name="Canary"), now=1061.0)

    assert account.counts() == {("Canary", LOW): 1}


def test_a_name_that_is_anothers_key_means_the_behavior_so_named() -> None:
    """An event's name is documented to be a behavior's name, so that reading goes first."""
    account = _listed()
    account.behaviors(behavior("dlp", "Data loss"), behavior("high_dlp", "dlp"), now=1001.0)

    account.details("ann", event(1050.0, name="dlp"), now=1061.0)

    assert account.counts() == {("high_dlp", LOW): 1}


def test_a_behavior_without_a_name_is_known_by_its_key() -> None:
    """An empty name means nothing, least of all for events without one."""
    account = _listed()
    account.behaviors(behavior("dlp", ""), now=1001.0)

    account.details("ann", event(1050.0, name="dlp"), event(1050.0, name=""), now=1061.0)

    assert account.counts() == {("dlp", LOW): 1, ("", LOW): 1}


def test_an_event_answered_under_its_behaviors_new_name_does_not_count_again() -> None:
    """A rename may reach old events too."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)
    account.details("ann", event(1050.0, name="Impossible travel"), now=1061.0)

    account.behaviors(behavior("imp_travel", "Unlikely travel"), now=1301.0)
    account.details("ann", event(1050.0, name="Unlikely travel"), now=1302.0)

    assert account.total() == 1


def test_a_renamed_behavior_keeps_its_identity_where_its_key_is_anothers_name() -> None:
    """Then no word but its former name can tell which events are its own."""
    account = _listed()
    account.behaviors(behavior("dlp", "Data loss"), behavior("high_dlp", "dlp"), now=1001.0)
    account.details("ann", event(1050.0, name="Data loss"), now=1061.0)

    account.behaviors(behavior("dlp", "Data leak"), behavior("high_dlp", "dlp"), now=1301.0)
    account.details("ann", event(1050.0, name="Data leak"), now=1302.0)

    assert account.total() == 1


def test_an_event_answered_under_its_old_name_still_belongs_to_the_behavior() -> None:
    """A rename may as well leave old events alone."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)
    account.behaviors(behavior("imp_travel", "Unlikely travel"), now=1301.0)

    account.details("ann", event(1050.0, name="Impossible travel"), now=1302.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_an_event_answered_by_name_and_then_by_key_does_not_count_again() -> None:
    """Whichever word the API uses, it is the same event."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)

    account.details("ann", event(1050.0, name="Impossible travel"), now=1061.0)
    account.details("ann", event(1050.0, name="imp_travel"), now=1121.0)

    assert account.total() == 1


def test_an_event_counted_before_its_behavior_was_known_does_not_count_again() -> None:
    """A configuration read later than the first events explains them, and renames nothing."""
    account = _listed()
    account.details("ann", event(1050.0, name="imp_travel"), now=1061.0)

    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1301.0)
    account.details("ann", event(1050.0, name="Impossible travel"), now=1302.0)
    account.behaviors(behavior("imp_travel", "Unlikely travel"), now=1601.0)
    account.details("ann", event(1050.0, name="Unlikely travel"), now=1602.0)

    assert account.total() == 1


def test_a_behavior_no_longer_configured_stays_known() -> None:
    """Its old events are answered as long as they live."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel"), now=1001.0)
    account.behaviors(now=1301.0)

    account.details("ann", event(1050.0), now=1302.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_a_name_that_moves_to_another_behavior_keeps_its_identity() -> None:
    """Events counted under the name must not count again under its new owner."""
    account = _listed()
    account.behaviors(behavior("old_dlp", "DLP"), now=1001.0)
    account.details("ann", event(1050.0, name="DLP"), now=1061.0)

    account.behaviors(behavior("new_dlp", "DLP"), now=1301.0)
    account.details("ann", event(1050.0, name="DLP"), event(1110.0, name="DLP"), now=1302.0)

    assert account.counts() == {("old_dlp", LOW): 1, ("new_dlp", LOW): 1}


def test_a_behaviors_level_changed_makes_nothing_count_again() -> None:
    """The level is configuration; events keep what they were counted under."""
    account = _listed()
    account.behaviors(behavior("imp_travel", "Impossible travel", level=LOW), now=1001.0)
    account.details("ann", event(1050.0, level=LOW), now=1061.0)

    account.behaviors(behavior("imp_travel", "Impossible travel", level=HIGH), now=1301.0)
    account.details("ann", event(1050.0, level=HIGH), now=1302.0)

    assert account.counts() == {("imp_travel", LOW): 1}


def test_a_name_heard_of_in_an_event_is_remembered_with_it() -> None:
    """Its identity must outlive the process, or a later rename would count its events again."""
    account = _listed()

    changes = account.details("ann", event(1050.0, name="Canary"), now=1061.0)

    assert changes.names == {"Canary": NameRecord(behavior=None, identity="Canary")}


def test_the_name_of_an_event_goes_before_its_id() -> None:
    """Each may be the name of another behavior."""
    account = _listed()
    account.behaviors(behavior("one", "One"), behavior("two", "Two"), now=1061.0)

    account.details("ann", event(1050.0, name="One", id="Two"), now=1062.0)

    assert account.counts() == {("one", LOW): 1}


def test_a_name_of_a_renamed_behavior_keeps_its_identity_when_it_moves_to_another() -> None:
    """Its identity is the first name of the behavior it came from."""
    account = _listed()
    account.behaviors(behavior("one", "First"), now=1061.0)
    account.details("ann", event(1050.0, name="First"), now=1062.0)
    account.behaviors(behavior("one", "Second"), now=1063.0)

    account.behaviors(behavior("two", "Second"), now=1064.0)
    account.details("ann", event(1050.0, name="Second"), now=1065.0)

    assert account.total() == 1


def test_the_first_of_several_identities_of_a_behavior_is_that_of_its_next_name() -> None:
    """A name that was counted under before it named the behavior has an identity of its own."""
    account = _listed()
    account.behaviors(behavior("one", "First"), now=1061.0)
    account.details("ann", event(1050.0, name="First"), event(1051.0, name="Own"), now=1062.0)
    account.behaviors(behavior("one", "Own"), now=1063.0)

    account.behaviors(behavior("one", "Third"), now=1064.0)
    account.details("ann", event(1050.0, name="Third"), now=1065.0)

    assert account.total() == 2
