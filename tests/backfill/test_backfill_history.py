"""Timelines, and histories built from behaviors, summary and details."""

import pytest

from exporter.backfill import AccountHistory, HistoryBuilder, Timeline
from exporter.errors import ConfigurationError
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


START = 1_700_000_000


def timeline(seconds: int = 600, step: float = 60.0) -> Timeline:
    """Return a timeline of that many seconds."""
    return Timeline.between(START, START + seconds, step=step)


def test_positions_are_a_step_apart_and_the_last_is_a_second_before_the_end() -> None:
    """The sample at the end is zero, and must not hide the events of the last step."""
    line = timeline(130)
    assert [line.instant(position) for position in range(line.last_position + 1)] == [
        START,
        START + 60,
        START + 120,
        START + 129,
    ]


def test_an_event_belongs_to_the_first_position_after_it() -> None:
    """A sample includes what happened up to its time, like a scrape."""
    line = timeline()
    assert line.position_of(START + 0.001) == 1
    assert line.position_of(START + 60) == 1
    assert line.position_of(START + 60.000001) == 2


@pytest.mark.parametrize("seconds_before_end", [0.0, 0.5, 1.0])
def test_the_last_second_belongs_to_the_last_position(seconds_before_end: float) -> None:
    """No event before the end is lost."""
    line = timeline()
    assert line.position_of(START + 600 - seconds_before_end) == line.last_position


@pytest.mark.parametrize("seconds", [-0.1, 0.0, 600.1, 86_400.0])
def test_an_event_outside_has_no_position(seconds: float) -> None:
    """The start is exclusive, so that two adjacent timelines count an event once."""
    assert timeline().position_of(START + seconds) is None


def test_times_are_rounded_down_to_seconds() -> None:
    """Timestamps are printed as whole seconds."""
    assert Timeline.between(10.9, 700.9, step=60.0) == Timeline(10, 700, 60)


@pytest.mark.parametrize("step", [0.5, 1.5, 0.0, 301.0, 3600.0])
def test_a_step_that_prometheus_cannot_show_is_rejected(step: float) -> None:
    """A series ends in graphs five minutes after a sample."""
    with pytest.raises(ConfigurationError, match="--step"):
        timeline(step=step)


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_a_timeline_shorter_than_a_step_is_rejected(seconds: int) -> None:
    """Since and until are easily swapped."""
    with pytest.raises(ConfigurationError, match="--since"):
        timeline(seconds)
