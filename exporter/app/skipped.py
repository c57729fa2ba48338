"""Tells, once for each operation, that rows of good answers were left out."""

import structlog

from exporter.cloudflare.client import Exchange

_log = structlog.get_logger(__name__)


class SkippedRows:
    """What was told of one account: a warning for an operation's first such answer, then debug.

    The counter beside it goes on; an API that sends what nobody understands does so for long.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._told: set[str] = set()

    def tell(self, exchange: Exchange) -> None:
        """Log that an exchange had unreadable rows."""
        tell = _log.debug if exchange.operation in self._told else _log.warning
        self._told.add(exchange.operation)
        tell(
            "rows.skipped",
            account=self._account,
            operation=exchange.operation,
            rows=exchange.unreadable_rows,
        )
