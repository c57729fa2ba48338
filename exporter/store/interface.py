"""What a place for state has to offer; it decides nothing about what is kept there."""

from collections.abc import Mapping
from typing import Protocol

from exporter.risk.ledger import Changes, EventMark, Ledger


class Store(Protocol):
    """Keeps ledgers over restarts. Every method may be awaited from one event loop only.

    Accounts are told apart by the API's account id, so that renaming one loses nothing.
    """

    async def load(self, account_id: str, *, now: float) -> Ledger:
        """All that was committed for this account; a new ledger, created `now`, where nothing was.

        Emails and names are never kept: the summaries come back with both empty. Raises
        StateError.
        """
        ...

    async def load_marks(self, account_id: str, user_id: str) -> Mapping[bytes, EventMark]:
        """The event marks committed for one user; empty where there are none. Raises StateError."""
        ...

    async def commit(self, account_id: str, changes: Changes) -> None:
        """Make `changes` durable, all or nothing, before returning.

        Committing the same changes again does no harm. Raises CommitError where they are not
        known to be durable: keep them, and commit them again with what has come since.
        """
        ...

    async def forget_marks(self, account_id: str, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant. Raises CommitError."""
        ...

    async def pseudonym_key(self) -> bytes:
        """Thirty-two random bytes that stay the same as long as the state does."""
        ...

    def size_bytes(self) -> int:
        """How much room the state takes on its medium; 0 where it takes none."""
        ...

    async def close(self) -> None:
        """Let a commit in flight finish and give up the state. Closing twice does no harm."""
        ...
