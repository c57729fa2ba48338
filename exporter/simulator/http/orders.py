"""What can be ordered of a running simulator, as the bodies of requests."""

from pydantic import Field

from exporter.simulator.scenario.accounts import BehaviorSpec
from exporter.simulator.scenario.values import Name, Part


class AccountOrder(Part):
    """An order about an account, by name or id; the only one, unless said."""

    account: Name | None = None


class UserOrder(AccountOrder):
    """An order about a user, by id or email address."""

    user: Name


class EventOrder(UserOrder):
    """Let a user trigger `count` events of a behavior (a key).

    `level`, `timestamp` (RFC 3339, or Unix seconds to the microsecond) and `id`: the behavior's,
    now, and a new one, unless said. Several events ordered with one id and timestamp are alike
    in every way.
    """

    behavior: Name
    level: Name | None = None
    timestamp: float | str | None = None
    id: Name | None = None
    count: int = Field(default=1, ge=1, le=100_000)


class NewUserOrder(AccountOrder):
    """Add a user without any event."""

    email: Name
    name: str = ""


class BehaviorOrder(BehaviorSpec):
    """Add or change a behavior at once; what a scenario says of later does not apply."""

    account: Name | None = None


class SpendOrder(Part):
    """Let somebody else spend so many requests of a token (by name; the first, unless said)."""

    requests: int = Field(ge=1)
    token: Name | None = None
