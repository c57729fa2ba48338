"""Tokens: who asks, what they may do, and for which accounts."""

from dataclasses import dataclass, field

from exporter.simulator.scenario.root import Permission
from exporter.simulator.world.quota import Quota


@dataclass(frozen=True, slots=True)
class Token:
    """A token, or the API key of the user with that `email`, which is lower-case.

    `reader` is its number. `accounts` are ids; None means all of them.
    """

    name: str
    value: str = field(repr=False)
    reader: int
    permissions: frozenset[Permission]
    accounts: frozenset[str] | None
    quota: Quota
    email: str | None = None

    def may_enter(self, account_id: str) -> bool:
        """Whether it was given access to that account."""
        return self.accounts is None or account_id in self.accounts
