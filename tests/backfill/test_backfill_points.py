"""The laws of how a counter's growth becomes samples."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.document import Point, dense_points, sparse_points
from exporter.backfill.history import Timeline

LINE = Timeline(0, 1201, 60)  # positions 0 to 20, at 0, 60, ... 1200
RISES = st.dictionaries(st.integers(1, 20), st.integers(1, 5), min_size=1)


def values(points: Iterable[Point]) -> dict[int, int]:
    """Return the values by minute, the end's left out."""
    return {point.at // 60: point.value for point in points if point.at != LINE.end}


def growth(points: Iterable[Point]) -> int:
    """Return what Prometheus takes a counter to have grown, which a fall is a new beginning to."""
    samples = [point.value for point in points]
    return sum(after if after < before else after - before for before, after in pairwise(samples))


def test_a_dense_counter_has_every_position_from_its_beginning() -> None:
    """A graph of it must have no gap."""
    points = dense_points({3: 2, 5: 1}, LINE, begin=2)
    assert values(points) == {2: 0, 3: 2, 4: 2, **dict.fromkeys(range(5, 21), 3)}


def test_a_sparse_counter_is_said_before_and_for_five_minutes_after_each_rise() -> None:
    """The sample before is what makes a rise visible; those after keep `increase` honest."""
    points = sparse_points({3: 2, 15: 1}, LINE)
    assert values(points) == {
        2: 0,
        **dict.fromkeys(range(3, 9), 2),
        14: 2,
        **dict.fromkeys(range(15, 21), 3),
    }


def test_a_rise_at_the_last_position_is_said() -> None:
    """What happened just before the end is what people look for first."""
    assert values(sparse_points({20: 1}, LINE)) == {19: 0, 20: 1}


@given(RISES)
def test_every_counter_ends_at_zero(rises: dict[int, int]) -> None:
    """The exporter's own begin there; otherwise one that begins higher would hide events."""
    for points in (dense_points(rises, LINE, begin=0), sparse_points(rises, LINE)):
        assert list(points)[-1] == Point(LINE.end, 0)


@given(RISES)
def test_a_counter_grows_by_its_events_and_by_nothing_else(rises: dict[int, int]) -> None:
    """The fall at the end is a reset to Prometheus: it loses nothing and adds nothing."""
    expected = sum(rises.values())
    assert growth(dense_points(rises, LINE, begin=0)) == expected
    assert growth(sparse_points(rises, LINE)) == expected


@given(RISES)
def test_samples_are_in_the_order_of_time(rises: dict[int, int]) -> None:
    """Prometheus's storage drops what comes out of order, and promtool does not say so."""
    for points in (dense_points(rises, LINE, begin=0), sparse_points(rises, LINE)):
        instants = [point.at for point in points]
        assert instants == sorted(set(instants))
