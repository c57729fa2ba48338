"""The catalogue: every metric, declared once, and what a snapshot shows of it.

Performs no I/O and knows no exposition format. A metric that is not declared here is exposed
nowhere.
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
