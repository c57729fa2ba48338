"""The samples of a counter."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.document import Point, dense_points, sparse_points
from exporter.backfill.history import Timeline

LINE = Timeline(0, 1201, 60)  # positions 0 to 20, at 0, 60, ... 1200
RISES = st.dictionaries(st.integers(1, 20), st.integers(1, 5), min_size=1)


def values(points: Iterable[Point]) -> dict[int, int]:
    """Return the values by minute, without the final zero."""
    return {point.at // 60: point.value for point in points if point.at != LINE.end}


def growth(points: Iterable[Point]) -> int:
    """Return the growth that Prometheus computes, for which a fall is a reset."""
    samples = [point.value for point in points]
    return sum(after if after < before else after - before for before, after in pairwise(samples))


def test_a_dense_counter_has_a_sample_at_every_position() -> None:
    """A graph of it has no gap."""
    points = dense_points({3: 2, 5: 1}, LINE, begin=2)
    assert values(points) == {2: 0, 3: 2, 4: 2, **dict.fromkeys(range(5, 21), 3)}


def test_a_sparse_counter_has_samples_before_and_after_each_increment() -> None:
    """The sample before makes an increment visible; those after keep `increase` accurate."""
    points = sparse_points({3: 2, 15: 1}, LINE)
    assert values(points) == {
        2: 0,
        **dict.fromkeys(range(3, 9), 2),
        14: 2,
        **dict.fromkeys(range(15, 21), 3),
    }


def test_an_increment_at_the_last_position_has_samples() -> None:
    """The latest events matter most."""
    assert values(sparse_points({20: 1}, LINE)) == {19: 0, 20: 1}


@given(RISES)
def test_every_counter_ends_at_zero(rises: dict[int, int]) -> None:
    """The live exporter starts at zero; one that starts higher would hide events."""
    for points in (dense_points(rises, LINE, begin=0), sparse_points(rises, LINE)):
        assert list(points)[-1] == Point(LINE.end, 0)


@given(RISES)
def test_a_counter_grows_by_its_events_only(rises: dict[int, int]) -> None:
    """The final fall is a reset to Prometheus, and neither adds nor removes anything."""
    expected = sum(rises.values())
    assert growth(dense_points(rises, LINE, begin=0)) == expected
    assert growth(sparse_points(rises, LINE)) == expected


@given(RISES)
def test_timestamps_ascend(rises: dict[int, int]) -> None:
    """Prometheus drops samples out of order, and promtool does not report it."""
    for points in (dense_points(rises, LINE, begin=0), sparse_points(rises, LINE)):
        instants = [point.at for point in points]
        assert instants == sorted(set(instants))
