"""The whole simulated Cloudflare: accounts, tokens, and the faults asked for."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.simulator.world.account import Account
from exporter.simulator.world.faultbook import FaultBook
from exporter.simulator.world.minting import Mint
from exporter.simulator.world.tokens import Token


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """All state there is.

    - `accounts` and `mints` by account id, `tokens` by value.
    - `tells_quota`: whether answers carry the headers about it.
    - `is_lenient`: whether requests are validated leniently; see `api.forms`.
    - `rng`: for what clients create; `ray_rng`: for CF-RAY headers.
    """

    accounts: Mapping[str, Account]
    mints: Mapping[str, Mint]
    tokens: Mapping[str, Token]
    faults: FaultBook
    rng: random.Random
    ray_rng: random.Random
    unknown_token_status: int
    tells_quota: bool
    is_lenient: bool

    def find_account(self, name_or_id: str) -> Account | None:
        """Return the account with that name or id."""
        by_name = (one for one in self.accounts.values() if one.traits.name == name_or_id)
        return self.accounts.get(name_or_id) or next(by_name, None)

    def find_token(self, name: str) -> Token | None:
        """Return the token with that name."""
        return next((token for token in self.tokens.values() if token.name == name), None)
