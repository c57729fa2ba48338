"""Which users have series of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.risk.ledger import AccountRecord, Changes, Ledger, UserRecord
from exporter.risk.model import Identity, RiskLevel, UserSummary
from exporter.risk.projection import Disclosure
from exporter.risk.selection import HELD_SECONDS, Selection

LOW, MEDIUM, HIGH, UNKNOWN = (
    RiskLevel.LOW,
    RiskLevel.MEDIUM,
    RiskLevel.HIGH,
    RiskLevel.UNKNOWN,
)
NOW = 1_000.0


def disclosure(*, min_level: RiskLevel = LOW, limit: int = 100) -> Disclosure:
    """What the operator chose to show."""
    return Disclosure(min_level, limit, Identity.FULL, pseudonym_key=b"key")


def listed(level: RiskLevel, *, last_event: float = 0.0) -> UserRecord:
    """What is remembered of a user of this level."""
    return UserRecord(summary=UserSummary("", "", "", 1, last_event, level))


class Account:
    """A ledger that users are put into, and the selection that follows it."""

    def __init__(self, chosen: Disclosure) -> None:
        self.ledger = Ledger(AccountRecord(created=0.0))
        self.selection = Selection(self.ledger, chosen)

    def put(self, users: dict[str, UserRecord], *, now: float = NOW) -> set[str]:
        """Let these users be so from `now` on; who came into sight or went out of it."""
        self.ledger.apply(Changes(users=users))
        return self.selection.update(users, now=now)


def test_a_user_below_the_minimal_level_is_withheld_and_counted() -> None:
    """The operator asked for medium and above."""
    account = Account(disclosure(min_level=MEDIUM))

    account.put({"ann": listed(LOW), "bob": listed(MEDIUM), "cat": listed(HIGH)})

    assert account.selection.shown == {"bob", "cat"}
    assert account.selection.withheld_by_level == 1


def test_a_level_without_a_word_is_never_withheld_by_level() -> None:
    """It may be worse than high."""
    account = Account(disclosure(min_level=HIGH))

    account.put({"ann": listed(UNKNOWN)})

    assert account.selection.shown == {"ann"}


def test_minimal_level_none_shows_nobody() -> None:
    """`none` turns per-user series off entirely."""
    account = Account(disclosure(min_level=RiskLevel.NONE))

    account.put({"ann": listed(HIGH), "bob": listed(UNKNOWN)})

    assert account.selection.shown == set()
    assert account.selection.withheld_by_level == 2


def test_beyond_the_limit_the_highest_level_and_then_the_latest_event_is_shown() -> None:
    """Whoever is withheld must be less urgent than all who are shown."""
    account = Account(disclosure(limit=2))

    account.put(
        {
            "old": listed(MEDIUM, last_event=1.0),
            "new": listed(MEDIUM, last_event=2.0),
            "high": listed(HIGH, last_event=0.0),
        }
    )

    assert account.selection.shown == {"high", "new"}
    assert account.selection.withheld_by_limit == 1


def test_at_the_limit_a_newer_event_of_the_same_level_displaces_nobody() -> None:
    """Users on the edge would otherwise come and go with every event."""
    account = Account(disclosure(limit=1))
    account.put({"ann": listed(LOW, last_event=1.0), "bob": listed(LOW, last_event=0.0)})

    moved = account.put({"bob": listed(LOW, last_event=5.0)})

    assert moved == set()
    assert account.selection.shown == {"ann"}


def test_at_the_limit_a_higher_level_displaces_a_lower_one_at_once() -> None:
    """Risk goes before stability."""
    account = Account(disclosure(limit=1))
    account.put({"ann": listed(LOW, last_event=1.0), "bob": listed(LOW, last_event=0.0)})

    moved = account.put({"bob": listed(HIGH)})

    assert moved == {"ann", "bob"}
    assert account.selection.shown == {"bob"}


def test_a_user_who_made_room_does_not_come_back_each_time_there_is_some() -> None:
    """One user at high risk who comes and goes would make another's series come and go."""
    account = Account(disclosure(limit=2))
    account.put({"ann": listed(LOW, last_event=1.0), "bob": listed(LOW, last_event=2.0)})
    account.put({"eve": listed(HIGH)}, now=NOW)

    at_first = account.put({"eve": UserRecord()}, now=NOW + 60)
    just_before = account.put({}, now=NOW + HELD_SECONDS - 1)
    at_the_end = account.put({}, now=NOW + HELD_SECONDS)

    assert at_first == {"eve"}
    assert just_before == set()
    assert at_the_end == {"ann"}
    assert account.selection.withheld_by_limit == 0


def test_a_user_who_made_room_is_back_at_once_where_somebody_of_a_lower_level_is_shown() -> None:
    """Risk goes before stability."""
    account = Account(disclosure(limit=2))
    account.put({"ann": listed(LOW, last_event=1.0), "bob": listed(LOW, last_event=2.0)})
    account.put({"eve": listed(HIGH)})

    account.put({"ann": listed(MEDIUM)})

    assert account.selection.shown == {"eve", "ann"}


def test_a_user_who_made_room_is_back_as_soon_as_their_own_level_rises() -> None:
    """They stay away for having been of a low level; newly at high risk they must be seen."""
    account = Account(disclosure(limit=2))
    account.put({"ann": listed(HIGH), "bob": listed(MEDIUM)}, now=NOW)
    account.put({"eve": listed(HIGH)}, now=NOW + 60)
    account.put({"eve": UserRecord()}, now=NOW + 120)

    account.put({"bob": listed(HIGH)}, now=NOW + 180)

    assert account.selection.shown == {"ann", "bob"}


def test_after_all_was_cleared_everybody_listed_is_chosen_from() -> None:
    """Nobody who did not change meanwhile may be forgotten."""
    account = Account(disclosure(limit=2))
    account.put({name: listed(LOW) for name in ("ann", "bob", "cat")})

    gone = account.selection.clear()
    moved = account.put({})

    assert gone == moved == account.selection.shown
    assert account.selection.withheld_by_limit == 1


def test_the_first_update_chooses_from_all_listed_users() -> None:
    """A ledger that was loaded has users that no poll reports as changed."""
    account = Account(disclosure())
    account.ledger.apply(Changes(users={"ann": listed(LOW), "bob": listed(LOW)}))

    assert account.selection.update([], now=NOW) == {"ann", "bob"}


def test_a_user_who_falls_below_the_minimal_level_is_held_for_a_while() -> None:
    """A level going up and down would otherwise make series come and go."""
    account = Account(disclosure(min_level=HIGH))
    account.put({"ann": listed(HIGH)})

    account.put({"ann": listed(LOW)}, now=NOW)
    just_before = account.put({}, now=NOW + HELD_SECONDS - 1)
    at_the_end = account.put({}, now=NOW + HELD_SECONDS)

    assert just_before == set()
    assert at_the_end == {"ann"}
    assert account.selection.shown == set()


def test_a_user_who_was_never_high_enough_is_not_held() -> None:
    """Holding is for those who were shown."""
    account = Account(disclosure(min_level=HIGH))

    account.put({"ann": listed(LOW)})

    assert account.selection.shown == set()


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_a_user_not_listed_any_more_is_gone_at_once(limit: int) -> None:
    """What is gone is gone, held or not."""
    account = Account(disclosure(min_level=HIGH, limit=limit))
    account.put({"ann": listed(HIGH)})
    account.put({"ann": listed(LOW)})

    account.put({"ann": UserRecord()})

    assert account.selection.shown == set()


@given(
    steps=st.lists(
        st.dictionaries(
            st.sampled_from("abcdefghij"),
            st.builds(
                lambda level, last_event: (
                    UserRecord()
                    if level is RiskLevel.NONE
                    else listed(level, last_event=last_event)
                ),
                st.sampled_from(RiskLevel),
                st.floats(0, 9),
            ),
            max_size=5,
        ),
        max_size=8,
    ),
    limit=st.integers(0, 6),
    min_level=st.sampled_from([LOW, MEDIUM, HIGH]),
)
def test_any_history_is_bounded_accounted_for_and_puts_risk_first(
    steps: list[dict[str, UserRecord]], limit: int, min_level: RiskLevel
) -> None:
    """However users move: never more than the limit, nobody uncounted, nobody higher left out."""
    account = Account(disclosure(min_level=min_level, limit=limit))
    shown: set[str] = set()

    for number, users in enumerate(steps):
        shown ^= account.put(users, now=NOW + number)

    selection, ledger = account.selection, account.ledger
    withheld = ledger.listed - shown
    entitled = {user for user in withheld if ledger.users[user].level.severity >= min_level}
    assert shown == selection.shown
    assert shown <= ledger.listed
    assert len(shown) <= limit
    assert len(withheld) == selection.withheld_by_level + selection.withheld_by_limit
    assert all(
        ledger.users[one].level.severity >= ledger.users[other].level.severity
        for one in shown
        for other in entitled
    )
