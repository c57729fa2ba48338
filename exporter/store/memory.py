"""State that is lost when the process ends; a restart sets a new baseline at zero."""

import secrets
from collections import defaultdict
from collections.abc import Mapping

from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger


class MemoryStore:
    """A store for tests and demos, and for users who read counters only with `rate`."""

    def __init__(self) -> None:
        self._marks: defaultdict[tuple[str, str], dict[bytes, EventMark]] = defaultdict(dict)
        self._pseudonym_key = secrets.token_bytes(32)

    async def load(self, account_id: str, *, now: float) -> Ledger:  # noqa: ARG002 (the interface)
        """Return a new ledger."""
        return Ledger(AccountRecord(created=now))

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """Return the marks committed for one user since the process started."""
        return dict(self._marks.get((account_id, user_id), {}))

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Store the marks; the caller's ledger holds everything else."""
        for user_id, marks in changes.marks.items():
            stored = self._marks[account_id, user_id]
            for key, mark in marks.items():
                if mark is None:
                    stored.pop(key, None)
                else:
                    stored[key] = mark

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Delete the marks of events that have been absent since before that instant."""
        for (owner, user_id), marks in list(self._marks.items()):
            if owner != account_id:
                continue
            kept = {
                key: mark
                for key, mark in marks.items()
                if mark.gone_at is None or mark.gone_at >= gone_before
            }
            if kept:
                self._marks[owner, user_id] = kept
            else:
                del self._marks[owner, user_id]

    async def pseudonym_key(self) -> bytes:
        """Return 32 random bytes, generated when the store was created."""
        return self._pseudonym_key

    def size_bytes(self) -> int:
        """Return 0."""
        return 0

    async def close(self) -> None:
        """Do nothing."""
