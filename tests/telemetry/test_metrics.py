"""The exporter's own metrics against prometheus-client, the oracle for text and values."""

from collections.abc import Callable
from dataclasses import dataclass

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.catalogue import Metric, MetricType
from exporter.metrics import Counter, Gauge, Histogram, names_of

GAUGE = Metric("g", MetricType.GAUGE, 'A "gauge" with a \\ and\na newline.', ("zone", "account"))
COUNTER = Metric("c_total", MetricType.COUNTER, "A counter.", ("account",))
HISTOGRAM = Metric("h", MetricType.HISTOGRAM, "A histogram.", ("operation",), (0.5, 1, 5e6))

texts = st.text(st.characters(codec="utf-8"), max_size=4)
numbers = st.floats() | st.integers(-(10**20), 10**20).map(float)
amounts = st.floats(0.0, 1e12)

operations = st.lists(
    st.tuples(st.just("set"), st.tuples(texts, texts), numbers)
    | st.tuples(st.just("function"), st.tuples(texts, texts), numbers)
    | st.tuples(st.just("remove"), st.tuples(texts, texts), st.none())
    | st.tuples(st.just("inc"), st.tuples(texts), amounts)
    | st.tuples(st.just("observe"), st.tuples(texts), st.floats(-1e9, 1e9))
    | st.tuples(st.sampled_from(["forget g", "forget c"]), st.tuples(texts), st.none())
    | st.tuples(st.sampled_from(["touch c", "touch h"]), st.tuples(texts), st.none())
    | st.tuples(st.just("touch g"), st.tuples(texts, texts), st.none())
    | st.tuples(st.just("render"), st.just(()), st.none()),
    max_size=30,
)


def now() -> float:
    """Return the instant at which every series begins."""
    return 1_700_000_000.25


@dataclass
class Pair:
    """The same metrics by both implementations."""

    def __post_init__(self) -> None:
        self.ours = (
            Gauge(GAUGE, clock=now),
            Counter(COUNTER, clock=now),
            Histogram(HISTOGRAM, clock=now),
        )
        self.registry = CollectorRegistry()
        makers = (prometheus_client.Gauge, prometheus_client.Counter)
        self.gauge, self.counter = (
            make(metric.name, metric.help, metric.labels, registry=self.registry)
            for make, metric in zip(makers, (GAUGE, COUNTER), strict=True)
        )
        self.histogram = prometheus_client.Histogram(
            HISTOGRAM.name,
            HISTOGRAM.help,
            HISTOGRAM.labels,
            registry=self.registry,
            buckets=HISTOGRAM.buckets,
        )

    def apply(self, operation: str, labels: tuple[str, ...], value: float | None) -> None:
        """Do the same to both."""
        gauge, counter, histogram = self.ours
        if operation == "render":
            self.render(openmetrics=True)
        elif operation.startswith("touch"):
            index = "gch".index(operation[-1])
            self.ours[index].labels(*labels)
            (self.gauge, self.counter, self.histogram)[index].labels(*labels)
        elif operation == "remove":
            gauge.remove(*labels)
            self.gauge.remove(*labels)
        elif operation == "forget g":
            gauge.remove_matching("account", *labels)
            self.gauge.remove_by_labels({"account": labels[0]})
        elif operation == "forget c":
            counter.remove_matching("account", *labels)
            self.counter.remove_by_labels({"account": labels[0]})
        elif value is not None:
            does: dict[str, tuple[Callable[[float], None], Callable[[float], None]]] = {
                "set": (
                    lambda number: gauge.labels(*labels).set(number),
                    lambda number: self.gauge.labels(*labels).set(number),
                ),
                "function": (
                    lambda number: gauge.labels(*labels).set_function(lambda: number),
                    lambda number: self.gauge.labels(*labels).set_function(lambda: number),
                ),
                "inc": (
                    lambda number: counter.labels(*labels).inc(number),
                    lambda number: self.counter.labels(*labels).inc(number),
                ),
                "observe": (
                    lambda number: histogram.labels(*labels).observe(number),
                    lambda number: self.histogram.labels(*labels).observe(number),
                ),
            }
            for do in does[operation]:
                do(value)

    def render(self, *, openmetrics: bool) -> bytes:
        """Return our text, without `_created` samples."""
        ours = (one.render(openmetrics=openmetrics, created_shown=False) for one in self.ours)
        return b"".join(ours)


@given(operations)
def test_any_operations_give_the_text_of_prometheus_client(
    steps: list[tuple[str, tuple[str, ...], float | None]],
) -> None:
    """The bytes are equal in both formats, whatever was rendered in between."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    pair = Pair()

    for step in steps:
        pair.apply(*step)

    assert pair.render(openmetrics=False) == generate_latest(pair.registry)
    openmetrics: bytes = generate_openmetrics(pair.registry)  # type: ignore[no-untyped-call]
    assert pair.render(openmetrics=True) + b"# EOF\n" == openmetrics


def test_created_samples_follow_a_counter_and_a_histogram() -> None:
    """Series begin when they are first used."""
    _, counter, histogram = Pair().ours
    counter.labels("acme")
    histogram.labels("list")

    assert b'c_created{account="acme"} 1.70000000025e+09\n' in counter.render(
        openmetrics=True, created_shown=True
    )
    assert b'h_created{operation="list"} 1.70000000025e+09\n' in histogram.render(
        openmetrics=True, created_shown=True
    )


def test_a_change_shows_in_every_format_that_was_rendered_before() -> None:
    """No format keeps lines of earlier values."""
    counter = Counter(COUNTER, clock=now)
    formats = [(False, False), (True, False), (True, True)]
    for openmetrics, created_shown in formats:
        counter.render(openmetrics=openmetrics, created_shown=created_shown)

    counter.labels("acme").inc(3)

    for openmetrics, created_shown in formats:
        text = counter.render(openmetrics=openmetrics, created_shown=created_shown)
        assert b'c_total{account="acme"} 3.0\n' in text


def test_a_function_is_asked_at_each_rendering() -> None:
    """A computed value is exact at each scrape."""
    gauge = Gauge(GAUGE, clock=now)
    values = iter((1, 2))
    gauge.labels("eu", "acme").set_function(lambda: next(values))

    rendered = [gauge.render(openmetrics=True, created_shown=True) for _ in range(2)]

    assert [text.splitlines()[-1] for text in rendered] == [
        b'g{account="acme",zone="eu"} 1.0',
        b'g{account="acme",zone="eu"} 2.0',
    ]


def test_a_counter_cannot_fall() -> None:
    """`rate()` would take it for a restart."""
    with pytest.raises(ValueError, match="fall"):
        Counter(COUNTER, clock=now).labels("acme").inc(-1)


def test_a_missing_label_value_is_an_error() -> None:
    """A series has all labels of its metric."""
    with pytest.raises(ValueError, match="zip"):
        Gauge(GAUGE, clock=now).labels("acme")


def test_a_metric_declared_as_another_type_is_an_error() -> None:
    """The catalogue's type is the one that is exposed."""
    with pytest.raises(TypeError, match="declared as a counter"):
        Gauge(COUNTER, clock=now)


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (GAUGE, {"g"}),
        (COUNTER, {"c", "c_total", "c_created"}),
        (HISTOGRAM, {"h", "h_bucket", "h_sum", "h_count", "h_created"}),
    ],
)
def test_names_are_those_of_the_family_and_its_samples(metric: Metric, names: set[str]) -> None:
    """A scrape may choose families by any of them."""
    assert names_of(metric) == names
