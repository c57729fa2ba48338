"""The catalogue: all metrics, and the samples of a snapshot.

It performs no I/O and does not depend on the exposition format.
"""

from exporter.catalogue.families import USER_FAMILIES, UserFamily, account_families
from exporter.catalogue.metric import (
    EXPORTER_PREFIX,
    PREFIX,
    Family,
    Metric,
    MetricType,
    Sample,
    metric_table,
)
from exporter.catalogue.risk import RISK_METRICS
from exporter.catalogue.telemetry import EXPORTER_METRICS

__all__ = [
    "EXPORTER_METRICS",
    "EXPORTER_PREFIX",
    "PREFIX",
    "RISK_METRICS",
    "USER_FAMILIES",
    "Family",
    "Metric",
    "MetricType",
    "Sample",
    "UserFamily",
    "account_families",
    "metric_table",
]
