"""Histories built from behaviors, summary and details."""

from exporter.backfill import AccountHistory, HistoryBuilder, Timeline
from exporter.risk.model import Identity, RiskEvent, RiskLevel, SummaryReading, UserDetails
from exporter.risk.projection import Disclosure
from tests.support.ledgers import HIGH, LOW, behavior, event, row

LINE = Timeline(0, 601, 60)


def disclosure(
    *, min_level: RiskLevel = LOW, limit: int = 100, identity: Identity = Identity.FULL
) -> Disclosure:
    """Return a disclosure; by default everything is exposed."""
    return Disclosure(min_level, limit, identity, b"key")


def builder(*users: str, level: RiskLevel = LOW) -> HistoryBuilder:
    """Return a builder that has these users listed and knows one behavior."""
    new = HistoryBuilder("acme", LINE)
    new.add_behaviors([behavior("imp_travel", "Impossible travel")])
    new.add_summary(SummaryReading(tuple(row(user, 500.0, level=level) for user in users)))
    return new


def details(*events: RiskEvent) -> UserDetails:
    """Return the details of a user with these events."""
    return UserDetails("ann@example.com", "Ann", events)


def increments(history: AccountHistory) -> dict[tuple[str, ...], dict[int, int]]:
    """Return every counter's increments by its labels."""
    return {one.labels: dict(one.increments) for one in (*history.events, *history.user_events)}


def test_events_are_counted_for_the_account_and_for_each_user() -> None:
    """The labels are those of /metrics, with the behavior's key if the event has its name."""
    account = builder("ann", "bob")
    account.add_user("ann", details(event(30.0, id="1"), event(100.0, id="2", level=HIGH)))
    account.add_user("bob", details(event(31.0, id="3"), event(31.0, id="4", name="other")))
    assert increments(account.finish(disclosure())) == {
        ("imp_travel", "low"): {1: 2},
        ("imp_travel", "high"): {2: 1},
        ("other", "low"): {1: 1},
        ("ann", "imp_travel", "low"): {1: 1},
        ("ann", "imp_travel", "high"): {2: 1},
        ("bob", "imp_travel", "low"): {1: 1},
        ("bob", "other", "low"): {1: 1},
    }


def test_equal_events_are_counted_separately() -> None:
    """The exporter counts them in the same way, because an id may be that of a behavior."""
    account = builder("ann")
    account.add_user("ann", details(event(30.0), event(30.0)))
    assert increments(account.finish(disclosure()))["imp_travel", "low"] == {1: 2}


def test_events_outside_the_timeline_are_not_counted() -> None:
    """The live exporter counts those after the end."""
    account = builder("ann")
    account.add_user("ann", details(event(0.0), event(602.0, id="2")))
    assert increments(account.finish(disclosure())) == {}


def test_users_without_series_count_in_the_totals() -> None:
    """Minimum level and limit concern per-user series only."""
    account = builder("ann")
    account.add_user("ann", details(event(30.0)))
    for shown in (disclosure(min_level=HIGH), disclosure(limit=0)):
        assert list(increments(account.finish(shown))) == [("imp_travel", "low")]


def test_a_pseudonym_is_the_one_of_the_metrics() -> None:
    """Otherwise the history would belong to another series."""
    shown = disclosure(identity=Identity.PSEUDONYM)
    account = builder("ann")
    account.add_user("ann", details(event(30.0)))
    (history,) = account.finish(shown).user_events
    assert history.labels == (shown.exposed_id("ann"), "imp_travel", "low")


def test_a_user_with_an_unreadable_row_is_returned() -> None:
    """Their events count in the totals; without a level they have no series."""
    account = HistoryBuilder("acme", LINE)
    users = account.add_summary(SummaryReading((row("ann", 5.0),), 1, frozenset({"bob"})))
    account.add_user("bob", details(event(30.0)))
    assert users == ("ann", "bob")
    assert list(increments(account.finish(disclosure()))) == [("Impossible travel", "low")]
