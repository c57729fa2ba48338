"""Metrics, families and samples as values, and metrics as a table for the documentation."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import msgspec

from exporter.risk.model import Exemplar

PREFIX = "cloudflare_zt_risk_"
"""The prefix of every metric name."""

EXPORTER_PREFIX = PREFIX + "exporter_"
"""The prefix of the exporter's metrics about itself."""


class MetricType(Enum):
    """The metric types in use, with their names in `# TYPE` lines."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """The declaration of a metric, for both exposition formats and the documentation.

    `name` is the name in queries, so that of a counter ends in `_total`. `labels` are all labels
    in the order of exposition, `account` first if it is one of them. `buckets` are the upper
    bounds of a histogram in its unit, without the infinite one; empty for the other types.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """The family's name in OpenMetrics, which leaves out a counter's `_total`."""
        return self.name.removesuffix("_total") if self.is_counter else self.name

    @property
    def is_counter(self) -> bool:
        """Whether the metric is a counter."""
        return self.type is MetricType.COUNTER

    @property
    def created(self) -> str:
        """The name of the OpenMetrics sample with the time at which a counter began."""
        return self.family + "_created"


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The current value of one series.

    `labels` are the values of the metric's labels after `account`, in their order. Only counters
    have `created`, in Unix seconds, and `exemplar`; only OpenMetrics exposes them.
    """

    labels: tuple[str, ...]
    value: float
    created: float | None = None
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one metric for one account; empty if nothing is exposed."""

    metric: Metric
    samples: tuple[Sample, ...]


def metric_table(metrics: Iterable[Metric]) -> str:
    """Return one row per metric: name, type, labels, meaning. The text ends with a newline."""
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    rows += [_row(metric) for metric in metrics]
    return "\n".join(rows) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.type.value} | {labels} | {meaning} |"
