"""Gauges, counters and histograms that keep their rendered lines until a value changes.

prometheus-client renders every sample anew at each scrape, which takes longer than everything else
that a small scrape does. Text and semantics are those of prometheus-client. Metrics belong to one
event loop: they are not safe to use from several threads.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Generic, TypeVar

from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from exporter.catalogue import Metric, MetricType
from exporter.exposition.render import escape_label, render_head

Clock = Callable[[], float]
"""Return the time in Unix seconds, for `_created` samples."""

_SUFFIXES = {
    MetricType.GAUGE: (),
    MetricType.COUNTER: ("_total", "_created"),
    MetricType.HISTOGRAM: ("_bucket", "_sum", "_count", "_created"),
}


def number_text(value: float) -> str:
    """Return a number as prometheus-client writes it."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def names_of(metric: Metric) -> frozenset[str]:
    """Return the names of a family and of its samples."""
    return frozenset((metric.family, *(metric.family + one for one in _SUFFIXES[metric.type])))


def render_collected(metric: Metric, samples: Iterable[Sample], *, openmetrics: bool) -> bytes:
    """Return a family that prometheus-client has collected, its HELP and TYPE lines included."""
    lines = []
    for sample in samples:
        pairs = [f'{name}="{escape_label(sample.labels[name])}"' for name in sorted(sample.labels)]
        labels = f"{{{','.join(pairs)}}}" if pairs else ""
        lines.append(f"{sample.name}{labels} {number_text(sample.value)}\n")
    head = render_head(metric).choose(openmetrics=openmetrics)
    return head + "".join(lines).encode()


class _Lines:
    """The lines of one series: made from its labels once, and from its values when they change."""

    def __init__(self, metric: Metric, label_values: Sequence[str]) -> None:
        self.metric = metric
        self._labels = dict(zip(metric.labels, label_values, strict=True))
        self._prefixes: dict[tuple[str, str], str] = {}

    def line(self, suffix: str, value: float, *, le: str = "") -> str:
        """Return the line of one sample; `le` is the bound of a histogram's bucket."""
        prefix = self._prefixes.get((suffix, le))
        if prefix is None:
            labels = {**self._labels, "le": le} if le else self._labels
            pairs = ",".join(f'{name}="{escape_label(labels[name])}"' for name in sorted(labels))
            name = f"{self.metric.family}{suffix}"
            prefix = f"{name}{{{pairs}}} " if pairs else f"{name} "
            self._prefixes[suffix, le] = prefix
        return f"{prefix}{number_text(value)}\n"


class GaugeSeries:
    """One series of a gauge. Its value is set, or computed by a function at each scrape."""

    def __init__(self, lines: _Lines, *, now: float, on_change: Callable[[], None]) -> None:  # noqa: ARG002  # no `_created`
        self._lines = lines
        self._on_change = on_change
        self._value = 0.0
        self._function: Callable[[], float] | None = None

    def set(self, value: float) -> None:
        """Replace the value."""
        if value != self._value:
            self._value = value
            self._on_change()

    def set_function(self, function: Callable[[], float]) -> None:
        """Take the value from `function` at each scrape from now on."""
        self._function = function

    def refresh(self) -> None:
        """Take the value from the function, if there is one."""
        if self._function is not None:
            self.set(self._function())

    def render(self, *, created_shown: bool) -> str:  # noqa: ARG002  # no `_created`
        """Return the line of the series."""
        return self._lines.line("", self._value)


class CounterSeries:
    """One series of a counter."""

    def __init__(self, lines: _Lines, *, now: float, on_change: Callable[[], None]) -> None:
        self._lines = lines
        self._on_change = on_change
        self._value = 0.0
        self._created = now

    def inc(self, amount: float = 1) -> None:
        """Add `amount`. Raises ValueError if it is negative."""
        if amount < 0:
            raise ValueError("a counter cannot fall")
        self._value += amount
        self._on_change()

    def render(self, *, created_shown: bool) -> str:
        """Return the lines of the series."""
        line = self._lines.line("_total", self._value)
        return line + self._lines.line("_created", self._created) if created_shown else line


class HistogramSeries:
    """One series of a histogram."""

    def __init__(self, lines: _Lines, *, now: float, on_change: Callable[[], None]) -> None:
        self._lines = lines
        self._on_change = on_change
        self._bounds = (*map(float, lines.metric.buckets), inf)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._created = now

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value
        self._on_change()

    def render(self, *, created_shown: bool) -> str:
        """Return the lines of the series: cumulative buckets, then count and sum."""
        lines, count = [], 0
        for bound, in_bucket in zip(self._bounds, self._counts, strict=True):
            count += in_bucket
            lines.append(self._lines.line("_bucket", count, le=number_text(bound)))
        lines += [self._lines.line("_count", count), self._lines.line("_sum", self._sum)]
        if created_shown:
            lines.append(self._lines.line("_created", self._created))
        return "".join(lines)


S = TypeVar("S", GaugeSeries, CounterSeries, HistogramSeries)


class _Family(Generic[S]):
    """All series of one metric, and their text as it was rendered last."""

    def __init__(
        self,
        metric: Metric,
        metric_type: MetricType,
        make_series: Callable[..., S],
        *,
        clock: Clock,
    ) -> None:
        if metric.type is not metric_type:
            raise TypeError(f"{metric.name} is declared as a {metric.type.value}")
        self.metric = metric
        self._make_series: Callable[..., S] = make_series
        self._clock = clock
        self.names = names_of(metric)
        self._heads = render_head(metric)
        self._series: dict[tuple[str, ...], S] = {}
        self._texts: dict[tuple[bool, bool], bytes] = {}
        if not metric.labels:
            self.labels()

    def labels(self, *values: object) -> S:
        """Return the series with these label values, which exists from the first use on.

        Raises ValueError unless there is one value for each label.
        """
        texts = tuple(map(str, values))
        series = self._series.get(texts)
        if series is None:
            lines = _Lines(self.metric, texts)
            series = self._make_series(lines, now=self._clock(), on_change=self._texts.clear)
            self._series[texts] = series
            self._texts.clear()
        return series

    def remove(self, *values: object) -> None:
        """Remove the series with these label values, if there is one."""
        if self._series.pop(tuple(map(str, values)), None) is not None:
            self._texts.clear()

    def remove_matching(self, label: str, value: str) -> None:
        """Remove all series with this label value."""
        place = self.metric.labels.index(label)
        kept = {texts: one for texts, one in self._series.items() if texts[place] != value}
        if len(kept) != len(self._series):
            self._series = kept
            self._texts.clear()

    def render(self, *, openmetrics: bool, created_shown: bool) -> bytes:
        """Return the family as it is now, its HELP and TYPE lines included."""
        self._refresh()
        key = (openmetrics, created_shown)
        text = self._texts.get(key)
        if text is None:
            head = self._heads.choose(openmetrics=openmetrics)
            series = self._series.values()
            lines = "".join([one.render(created_shown=created_shown) for one in series])
            text = self._texts[key] = head + lines.encode(errors="replace")
        return text

    def _refresh(self) -> None:
        """Bring values up to date that are computed at a scrape."""


class Gauge(_Family[GaugeSeries]):
    """A value that rises and falls."""

    def __init__(self, metric: Metric, *, clock: Clock) -> None:
        super().__init__(metric, MetricType.GAUGE, GaugeSeries, clock=clock)

    def set(self, value: float) -> None:
        """Replace the value of a gauge without labels."""
        self._series[()].set(value)

    def _refresh(self) -> None:
        for series in self._series.values():
            series.refresh()


class Counter(_Family[CounterSeries]):
    """A value that only grows."""

    def __init__(self, metric: Metric, *, clock: Clock) -> None:
        super().__init__(metric, MetricType.COUNTER, CounterSeries, clock=clock)

    def inc(self, amount: float = 1) -> None:
        """Add to a counter without labels."""
        self._series[()].inc(amount)


class Histogram(_Family[HistogramSeries]):
    """Observations counted in buckets."""

    def __init__(self, metric: Metric, *, clock: Clock) -> None:
        super().__init__(metric, MetricType.HISTOGRAM, HistogramSeries, clock=clock)
