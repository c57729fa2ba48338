"""The ledger turns observations of the API into changes. Counters grow only here.

It performs no I/O and reads no clock. The `observe_…` functions and `SummaryFold` read the ledger
and return changes. The caller applies the changes in memory and commits them to a store, and
exposes counters only once they are committed.
"""

from exporter.risk.ledger.details import MARKS_KEPT_SECONDS, observe_details, observe_missing
from exporter.risk.ledger.names import observe_behaviors
from exporter.risk.ledger.records import (
    AccountRecord,
    Changes,
    CountedEvent,
    EventMark,
    Ledger,
    NameRecord,
    UserRecord,
)
from exporter.risk.ledger.summary import SummaryFold

__all__ = [
    "MARKS_KEPT_SECONDS",
    "AccountRecord",
    "Changes",
    "CountedEvent",
    "EventMark",
    "Ledger",
    "NameRecord",
    "SummaryFold",
    "UserRecord",
    "observe_behaviors",
    "observe_details",
    "observe_missing",
]
