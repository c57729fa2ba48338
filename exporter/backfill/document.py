"""Histories as OpenMetrics with timestamps, in the order that promtool requires.

promtool accepts series in any order, but each sample of a series must be later than the previous
one: Prometheus's storage drops other samples, and promtool does not report it (seen with 2.42).
OpenMetrics 1.0.0 requires the same, and one block of lines for each family, and a final EOF.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from exporter.backfill.history import AccountHistory, CounterHistory, Increments, Timeline
from exporter.catalogue import Metric
from exporter.catalogue.risk import EVENTS, USER_EVENTS
from exporter.exposition.render import EOF, escape_label, render_head

METRICS = (EVENTS, USER_EVENTS)
"""The metrics whose past is known without guessing."""

REPEAT_SECONDS = 300
"""How long samples of a user's counter follow each increment. With one sample before and one
after, `increase` would return two for each event: it extrapolates by half the distance between
samples at either end, so n distances exaggerate by at most one n-th."""


class Point(NamedTuple):
    """One sample: its Unix seconds and the counter's value."""

    at: int
    value: int


def openmetrics(
    histories: Sequence[AccountHistory], timeline: Timeline, *, labels: Mapping[str, str]
) -> Iterator[bytes]:
    """Yield the document line by line; every series also has `labels`.

    An account's totals have a sample at every position since the account's first event, so that
    graphs have no gaps. A user's counters have samples only around increments, because there may
    be ten thousand users and most counters rarely change.
    """
    yield render_head(EVENTS).openmetrics
    for history in histories:
        begin = min((min(one.increments) for one in history.events), default=1) - 1
        for one in history.events:
            points = dense_points(one.increments, timeline, begin=begin)
            yield from _lines(_series(EVENTS, history.account, one, labels), points)
    yield render_head(USER_EVENTS).openmetrics
    for history in histories:
        for one in history.user_events:
            points = sparse_points(one.increments, timeline)
            yield from _lines(_series(USER_EVENTS, history.account, one, labels), points)
    yield EOF


def dense_points(increments: Increments, timeline: Timeline, *, begin: int) -> Iterator[Point]:
    """Yield the counter at every position from `begin`, which precedes its first increment."""
    return _points(range(begin, timeline.last_position + 1), increments, timeline)


def sparse_points(increments: Increments, timeline: Timeline) -> Iterator[Point]:
    """Yield the counter just before each increment, at it, and for `REPEAT_SECONDS` after it."""
    repeats = REPEAT_SECONDS // timeline.step
    near = chain.from_iterable(range(first - 1, first + repeats + 1) for first in increments)
    last = timeline.last_position
    positions = sorted({position for position in near if position <= last})
    return _points(positions, increments, timeline)


def _points(
    positions: Iterable[int], increments: Increments, timeline: Timeline
) -> Iterator[Point]:
    """Yield the counter at `positions`, which include those of all increments, and a final zero.

    The counters of the live exporter start at zero. Without the final zero, one that starts above
    the last value here would hide the events up to that value from `increase`.
    """
    value = 0
    for position in positions:
        value += increments.get(position, 0)
        yield Point(timeline.instant(position), value)
    yield Point(timeline.end, 0)


def _series(
    metric: Metric, account: str, history: CounterHistory, labels: Mapping[str, str]
) -> bytes:
    pairs = [*zip(metric.labels, (account, *history.labels), strict=True), *labels.items()]
    inner = ",".join(f'{name}="{escape_label(value)}"' for name, value in pairs)
    return f"{metric.name}{{{inner}}}".encode(errors="replace")


def _lines(series: bytes, points: Iterable[Point]) -> Iterator[bytes]:
    for point in points:
        yield b"%s %d %d\n" % (series, point.value, point.at)
