"""The laws of how answers become histories."""

from exporter.backfill import AccountHistory, HistoryBuilder, Timeline
from exporter.risk.model import Identity, RiskEvent, RiskLevel, SummaryReading, UserDetails
from exporter.risk.projection import Disclosure
from tests.support.ledgers import HIGH, LOW, behavior, event, row

LINE = Timeline(0, 601, 60)


def disclosure(
    *, min_level: RiskLevel = LOW, limit: int = 100, identity: Identity = Identity.FULL
) -> Disclosure:
    """Return what may be shown; everything, unless said."""
    return Disclosure(min_level, limit, identity, b"key")


def reader(*users: str, level: RiskLevel = LOW) -> HistoryBuilder:
    """Return a reader that knows these users to be listed, and one behavior."""
    new = HistoryBuilder("acme", LINE)
    new.add_behaviors([behavior("imp_travel", "Impossible travel")])
    new.add_summary(SummaryReading(tuple(row(user, 500.0, level=level) for user in users)))
    return new


def details(*events: RiskEvent) -> UserDetails:
    """Return the details of a user with these events."""
    return UserDetails("ann@example.com", "Ann", events)


def told(history: AccountHistory) -> dict[tuple[str, ...], dict[int, int]]:
    """Return every counter's rises by its labels."""
    return {one.labels: dict(one.increments) for one in (*history.events, *history.user_events)}


def test_events_are_counted_by_behavior_and_level_for_all_and_for_each() -> None:
    """As on /metrics, with the behavior's key wherever the event has its name."""
    account = reader("ann", "bob")
    account.add_user("ann", details(event(30.0, id="1"), event(100.0, id="2", level=HIGH)))
    account.add_user("bob", details(event(31.0, id="3"), event(31.0, id="4", name="other")))
    assert told(account.finish(disclosure())) == {
        ("imp_travel", "low"): {1: 2},
        ("imp_travel", "high"): {2: 1},
        ("other", "low"): {1: 1},
        ("ann", "imp_travel", "low"): {1: 1},
        ("ann", "imp_travel", "high"): {2: 1},
        ("bob", "imp_travel", "low"): {1: 1},
        ("bob", "other", "low"): {1: 1},
    }


def test_events_alike_in_everything_are_so_many_events() -> None:
    """The exporter counts them so, for an id may only name the behavior."""
    account = reader("ann")
    account.add_user("ann", details(event(30.0), event(30.0)))
    assert told(account.finish(disclosure()))["imp_travel", "low"] == {1: 2}


def test_events_outside_of_the_timeline_count_nowhere() -> None:
    """What came after the end is the live series' to count."""
    account = reader("ann")
    account.add_user("ann", details(event(0.0), event(602.0, id="2")))
    assert told(account.finish(disclosure())) == {}


def test_users_who_may_not_be_shown_count_in_the_totals_alone() -> None:
    """Minimum level and limit bound the series, not the truth."""
    account = reader("ann")
    account.add_user("ann", details(event(30.0)))
    for shown in (disclosure(min_level=HIGH), disclosure(limit=0)):
        assert list(told(account.finish(shown))) == [("imp_travel", "low")]


def test_a_pseudonym_is_the_one_of_the_metrics() -> None:
    """Otherwise a user's past would be somebody else's."""
    shown = disclosure(identity=Identity.PSEUDONYM)
    account = reader("ann")
    account.add_user("ann", details(event(30.0)))
    (history,) = account.finish(shown).user_events
    assert history.labels == (shown.exposed_id("ann"), "imp_travel", "low")


def test_a_user_whose_row_could_not_be_read_is_asked_about() -> None:
    """Their events count in the totals; without a level they have no series of their own."""
    account = HistoryBuilder("acme", LINE)
    users = account.add_summary(SummaryReading((row("ann", 5.0),), 1, frozenset({"bob"})))
    account.add_user("bob", details(event(30.0)))
    assert users == ("ann", "bob")
    assert list(told(account.finish(disclosure()))) == [("Impossible travel", "low")]
