"""State that ends with the process: a restart begins a new baseline at zero."""

import secrets
from collections import defaultdict
from collections.abc import Mapping

from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger


class MemoryStore:
    """A store for trying out, and for those who read their counters with `rate` alone."""

    def __init__(self) -> None:
        self._marks: defaultdict[tuple[str, str], dict[bytes, EventMark]] = defaultdict(dict)
        self._pseudonym_key = secrets.token_bytes(32)

    async def load(self, account_id: str, *, now: float) -> Ledger:  # noqa: ARG002 (the interface)
        """A new ledger each time."""
        return Ledger(AccountRecord(created=now))

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """The marks committed for one user since the process began."""
        return dict(self._marks.get((account_id, user_id), {}))

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Remember the marks; all the rest lives in the ledger."""
        for user_id, marks in changes.marks.items():
            kept = self._marks[account_id, user_id]
            for key, mark in marks.items():
                if mark is None:
                    kept.pop(key, None)
                else:
                    kept[key] = mark

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant."""
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
        """Thirty-two random bytes, new with each process."""
        return self._pseudonym_key

    def size_bytes(self) -> int:
        """Nothing is on a disk."""
        return 0

    async def close(self) -> None:
        """Nothing has to be given up."""
