"""The interface of a store, which keeps ledgers and makes no decisions about their content."""

from collections.abc import Mapping
from typing import Protocol

from exporter.risk.ledger import Changes, EventMark, Ledger


class Store(Protocol):
    """Keeps ledgers across restarts. A store is used from one event loop only.

    Accounts are identified by the API's account id, so that renaming one loses nothing.
    """

    async def load(self, account_id: str, *, now: float) -> Ledger:
        """Return what was committed for this account, or a new ledger created `now`.

        Emails and names are not stored, and are empty in the returned summaries. Raises
        StateError.
        """
        ...

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """Return the event marks committed for one user, possibly none. Raises StateError."""
        ...

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Make `changes` durable before returning, all of them or none.

        Committing the same changes again does no harm. Raises CommitError if they are not known
        to be durable; the caller keeps them and commits them again with later changes.
        """
        ...

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Delete the marks of events that have been absent since before that instant.

        Raises CommitError.
        """
        ...

    async def pseudonym_key(self) -> bytes:
        """Return 32 random bytes that are the same for the lifetime of the state."""
        ...

    def size_bytes(self) -> int:
        """Return the size of the state on disk; 0 for a state in memory."""
        ...

    async def close(self) -> None:
        """Finish a commit in flight and close the state. Closing twice does no harm."""
        ...
