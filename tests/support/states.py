"""Changes to commit, and what a state file returns of them."""

from collections.abc import Mapping

from msgspec.structs import replace

from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger, NameRecord, UserRecord
from exporter.risk.model import EventCount, Exemplar, RiskLevel, UserSummary

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
EMAIL = "ann@example.com"
NAME = "Ann Example"


def user_record(
    user_id: str, *, event_count: int = 2, last_event: float = 1_700_000_000.25
) -> UserRecord:
    """Return a listed user with two counters."""
    return UserRecord(
        summary=UserSummary(user_id, EMAIL, NAME, event_count, last_event, RiskLevel.HIGH),
        counted_after=1_690_000_000.5,
        last_reset=1_680_000_000.125,
        details_at=1_700_000_001.0,
        due_since=1_700_000_002.0,
        stale_answers=2,
        events=(
            EventCount("imp_travel", RiskLevel.HIGH, 3, 1.5, Exemplar("e1", 2.0)),
            EventCount("dlp", RiskLevel.LOW, 1, 2.5),
        ),
    )


def changes_of_every_kind() -> Changes:
    """Return changes with a value in each field that is stored."""
    return Changes(
        account=AccountRecord(created=10.0, baseline_at=20.0, resets=3),
        users={"ann": user_record("ann"), "bob": UserRecord(details_at=5.0)},
        totals={
            ("imp_travel", RiskLevel.HIGH): EventCount("imp_travel", RiskLevel.HIGH, 3, 1.5),
            ("dlp", RiskLevel.LOW): EventCount("dlp", RiskLevel.LOW, 1, 2.5),
        },
        level_changes={(RiskLevel.NONE, RiskLevel.HIGH): 7},
        names={
            "Zeta": NameRecord("imp_travel", "Zeta"),
            "Alpha": NameRecord("imp_travel", "Zeta"),
            "Canary": NameRecord(None, "Canary"),
        },
        marks={"ann": {b"k" * 16: EventMark(2), b"j" * 16: EventMark(1, gone_at=33.25)}},
    )


def kept_of(record: UserRecord) -> UserRecord:
    """Return what a state file stores of a record: no identity, no exemplar, no stale count."""
    summary = record.summary
    return replace(
        record,
        summary=None if summary is None else replace(summary, email="", name=""),
        stale_answers=0,
        events=tuple(_plain(entry) for entry in record.events),
    )


def contents(ledger: Ledger, *, as_kept: bool = False) -> Mapping[str, object]:
    """Return the content of a ledger, including relevant orders, for comparison.

    `as_kept` leaves out what state files do not store.
    """
    return {
        "account": ledger.account,
        "users": {
            who: kept_of(record) if as_kept else record for who, record in ledger.users.items()
        },
        "totals": [
            (pair, _plain(entry) if as_kept else entry) for pair, entry in ledger.totals.items()
        ],
        "level_changes": ledger.level_changes,
        "names": list(ledger.names.items()),
        "listed": ledger.listed,
        "listed_by_level": ledger.listed_by_level,
    }


def _plain(entry: EventCount) -> EventCount:
    return EventCount(entry.behavior, entry.level, entry.count, entry.created)
