"""Histories as OpenMetrics with timestamps, in the order that promtool needs.

promtool takes series in any order, but of one series each sample must be later than the one
before: where it is not, Prometheus's storage drops it and promtool says nothing of it (seen
with 2.42). OpenMetrics 1.0.0 asks for the same, for families in one piece, and for EOF.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.backfill.history import AccountHistory, CounterHistory
from exporter.backfill.points import Point, points_around_rises, points_everywhere
from exporter.backfill.timeline import Timeline
from exporter.catalogue import Metric
from exporter.catalogue.risk import EVENTS, USER_EVENTS
from exporter.exposition.render import EOF, escape_label, render_head

METRICS = (EVENTS, USER_EVENTS)
"""All that can be told of the past without guessing."""


def openmetrics(
    histories: Sequence[AccountHistory], timeline: Timeline, *, labels: Mapping[str, str]
) -> Iterator[bytes]:
    """The whole document, line by line; every series also has `labels`.

    An account's totals have a sample at every position since its first event, or a graph of
    them would have gaps. A user's have some around each of their events only, for there may be
    ten thousand users, and nearly always nothing happens to one of them.
    """
    yield render_head(EVENTS).openmetrics
    for history in histories:
        begin = min((min(one.rises) for one in history.events), default=1) - 1
        for one in history.events:
            points = points_everywhere(one.rises, timeline, begin=begin)
            yield from _lines(_series(EVENTS, history.account, one, labels), points)
    yield render_head(USER_EVENTS).openmetrics
    for history in histories:
        for one in history.user_events:
            points = points_around_rises(one.rises, timeline)
            yield from _lines(_series(USER_EVENTS, history.account, one, labels), points)
    yield EOF


def _series(
    metric: Metric, account: str, history: CounterHistory, labels: Mapping[str, str]
) -> bytes:
    pairs = [*zip(metric.labels, (account, *history.labels), strict=True), *labels.items()]
    inner = ",".join(f'{name}="{escape_label(value)}"' for name, value in pairs)
    return f"{metric.name}{{{inner}}}".encode(errors="replace")


def _lines(series: bytes, points: Iterable[Point]) -> Iterator[bytes]:
    for point in points:
        yield b"%s %d %d\n" % (series, point.value, point.at)
