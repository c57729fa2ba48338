"""Rows that could not be understood are counted and told, and the others are not lost."""

from structlog.testing import capture_logs

from exporter.app.skipped import SkippedRows
from exporter.cloudflare.client import Exchange


def test_an_operation_warns_once_and_then_only_for_whoever_looks_closely() -> None:
    """An API that sends what nobody understands does so at every poll."""
    skipped = SkippedRows("acme")

    with capture_logs() as events:
        for operation in ("get_user", "get_user", "list_summary"):
            skipped.tell(Exchange(operation, "200", 0.1, unreadable_rows=2))

    told = [(event["log_level"], event["operation"], event["rows"]) for event in events]
    assert told == [
        ("warning", "get_user", 2),
        ("debug", "get_user", 2),
        ("warning", "list_summary", 2),
    ]
