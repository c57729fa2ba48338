"""What was asked of the API: the latest requests, and how many of each kind there ever were."""

from collections import Counter, deque

import msgspec

_KEPT = 10_000


class LogEntry(msgspec.Struct, frozen=True):
    """One request.

    `time` is when it came, in Unix seconds. `token` is a name, None where it was not known; it
    is never the token itself. `status` is None where no status went out; `fault` is the kind
    that struck it, if any. `delivered`: the whole answer went out.
    """

    time: float
    token: str | None
    operation: str | None
    account: str | None
    status: int | None
    fault: str | None
    delivered: bool


class RequestCount(msgspec.Struct, frozen=True):
    """How many requests of one kind there were since the start."""

    token: str | None
    operation: str | None
    status: int | None
    count: int


class RequestLog:
    """The latest 10,000 requests, and counts of all."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._counts: Counter[tuple[str | None, str | None, int | None]] = Counter()

    def add(self, entry: LogEntry) -> None:
        """Remember a request once it has ended."""
        self._entries.append(entry)
        self._counts[entry.token, entry.operation, entry.status] += 1

    def entries(self) -> tuple[LogEntry, ...]:
        """Return the latest requests, in the order they ended."""
        return tuple(self._entries)

    def counts(self) -> tuple[RequestCount, ...]:
        """Return the complete counts."""
        return tuple(RequestCount(*key, count) for key, count in self._counts.items())
