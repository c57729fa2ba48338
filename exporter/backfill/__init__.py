"""The event history of an account as an OpenMetrics file for Prometheus.

Reads the events of every listed user that the API still holds and writes them as counters that
grow when the events happened, for `promtool tsdb create-blocks-from openmetrics`. Uses no state
file and serves no metrics.
"""

from exporter.backfill.document import METRICS, openmetrics
from exporter.backfill.history import AccountHistory, CounterHistory, HistoryBuilder, Timeline
from exporter.backfill.output import Write, open_output, write_elsewhere
from exporter.backfill.reading import AccountReading, AccountSource, Progress, read_account

__all__ = [
    "METRICS",
    "AccountHistory",
    "AccountReading",
    "AccountSource",
    "CounterHistory",
    "HistoryBuilder",
    "Progress",
    "Timeline",
    "Write",
    "open_output",
    "openmetrics",
    "read_account",
    "write_elsewhere",
]
