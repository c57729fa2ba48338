"""From events to the samples of a counter: how it grew, and where that has to be said."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from exporter.backfill.timeline import Timeline

HELD_SECONDS = 300
"""How long a sparse counter is repeated after it grew. With only a sample before and one after,
`increase` would say two for each event: it extrapolates by half the distance between samples at
either end, so n distances exaggerate by at most one n-th."""

Rises = Mapping[int, int]
"""By how much a counter grew, by the position where that shows first."""


class Point(NamedTuple):
    """One sample: Unix seconds, and the counter's value then."""

    at: int
    value: int


def points_everywhere(rises: Rises, timeline: Timeline, *, begin: int) -> Iterator[Point]:
    """The counter at every position from `begin` on, which is before it first grew."""
    return _points(range(begin, timeline.last_position + 1), rises, timeline)


def points_around_rises(rises: Rises, timeline: Timeline) -> Iterator[Point]:
    """The counter just before each rise, at it, and for `HELD_SECONDS` after it."""
    held = HELD_SECONDS // timeline.step
    near = chain.from_iterable(range(rise - 1, rise + held + 1) for rise in rises)
    last = timeline.last_position
    return _points(sorted({position for position in near if position <= last}), rises, timeline)


def _points(positions: Iterable[int], rises: Rises, timeline: Timeline) -> Iterator[Point]:
    """The counter at some positions, among them those of all rises; then zero at the end.

    Zero, because that is where whoever counts on begins. Without it a counter that begins above
    the one that ended here would hide all events up to that value from `increase`.
    """
    value = 0
    for position in positions:
        value += rises.get(position, 0)
        yield Point(timeline.instant(position), value)
    yield Point(timeline.end, 0)
