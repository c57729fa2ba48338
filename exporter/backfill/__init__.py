"""An account's past, written down once, so that boards have one from the first day.

Reads what the API still holds of every listed user's events and writes it as counters that
grew when the events happened, in OpenMetrics with timestamps, for
`promtool tsdb create-blocks-from openmetrics`. It touches no state and serves nothing.
"""

from exporter.backfill.document import METRICS, openmetrics
from exporter.backfill.history import AccountHistory, CounterHistory, HistoryReader
from exporter.backfill.output import keep_elsewhere, open_output
from exporter.backfill.reading import AccountReading, Progress, Source, read_account
from exporter.backfill.timeline import Timeline

__all__ = [
    "METRICS",
    "AccountHistory",
    "AccountReading",
    "CounterHistory",
    "HistoryReader",
    "Progress",
    "Source",
    "Timeline",
    "keep_elsewhere",
    "open_output",
    "openmetrics",
    "read_account",
]
