"""Metrics, families and samples as values, and metrics as a table for the documentation."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import msgspec

from exporter.risk.model import Exemplar

PREFIX = "cloudflare_zt_risk_"
"""What every name begins with."""

EXPORTER_PREFIX = PREFIX + "exporter_"
"""What the names of the exporter's own telemetry begin with."""


class MetricType(Enum):
    """The types of the Prometheus data model that are used here, by their names in `# TYPE`."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is promised: declared once, for both exposition formats and the README.

    `name` is what a query says, so a counter's ends in `_total`. `labels` is every label in the
    order it is written, `account` first where there is one. `buckets` are the upper bounds of a
    histogram without the infinite one, in its unit; empty for the other types.
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
        """Whether it only grows."""
        return self.type is MetricType.COUNTER

    @property
    def created(self) -> str:
        """The name of the OpenMetrics sample that says since when a counter counts."""
        return self.family + "_created"


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One series' value now.

    `labels` are the values of the metric's labels after `account`, in their order. `created`
    (Unix seconds) and `exemplar` are a counter's alone, and shown in OpenMetrics only.
    """

    labels: tuple[str, ...]
    value: float
    created: float | None = None
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one metric for one account; none where nothing is to be shown."""

    metric: Metric
    samples: tuple[Sample, ...]


def metric_table(metrics: Iterable[Metric]) -> str:
    """One row a metric: name, type, labels, meaning. Ends with a newline."""
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    rows += [_row(metric) for metric in metrics]
    return "\n".join(rows) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.type.value} | {labels} | {meaning} |"
