"""How memory moves: a ledger and an observation give changes, and counters grow nowhere else.

Performs no I/O and reads no clock. The observing functions only read the ledger; what they
return is first made durable by a store and then applied.
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
