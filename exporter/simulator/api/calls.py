"""A call as it came in, and the reply to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.simulator.api.envelope import failure, success
from exporter.simulator.api.operations import Route
from exporter.simulator.api.problems import ApiError
from exporter.simulator.world.account import Account
from exporter.simulator.world.body import Body
from exporter.simulator.world.tokens import Token
from exporter.simulator.world.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `path` is below the base URL and still percent-encoded.

    `auth_email` and `auth_key` are the headers X-Auth-Email and X-Auth-Key.
    """

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str | None
    body: bytes
    auth_email: str | None = None
    auth_key: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may be performed: its token exists, may do this, and has quota left."""

    call: Call
    route: Route
    token: Token
    account: Account
    world: World
    now_ns: int


def ignore_delivery() -> None:
    """Take note of nothing: it does not matter whether the reply went out whole."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; `delivered` is to be called once all of it went out."""

    status: int
    body: Body
    headers: Mapping[str, str]
    delivered: Callable[[], None] = ignore_delivery


def succeed(admitted: Admitted, result: object) -> Reply:
    """Reply with a JSON result."""
    result_first = admitted.account.traits.result_first
    return Reply(200, success(result, result_first=result_first), {})


def refuse(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    """Reply with an error."""
    return Reply(error.status, failure(error.problems), headers or {})
