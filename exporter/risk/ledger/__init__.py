"""The ledger: an observation of the API gives changes. Counters grow here and nowhere else.

It performs no I/O and reads no clock. Functions that observe only read the ledger. A store commits
the changes that they return before they are applied.
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
