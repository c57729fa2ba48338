"""The eleven operations: their routes and the permissions they need."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from exporter.simulator.api.messages import ApiError, Call, Reply, no_method, no_route, success
from exporter.simulator.scenario.scenario import Permission
from exporter.simulator.world.account import Account
from exporter.simulator.world.tokens import Token
from exporter.simulator.world.world import World


class Operation(StrEnum):
    """An operation; the value is its name in the log, the faults and the counts."""

    SUMMARY = "summary"
    USER = "user"
    RESET_USER = "reset_user"
    BEHAVIORS = "behaviors"
    UPDATE_BEHAVIORS = "update_behaviors"
    INTEGRATIONS = "integrations"
    CREATE_INTEGRATION = "create_integration"
    INTEGRATION = "integration"
    UPDATE_INTEGRATION = "update_integration"
    DELETE_INTEGRATION = "delete_integration"
    INTEGRATION_BY_REFERENCE = "integration_by_reference"


_PII = frozenset({Permission.PII_READ})
_WRITE = frozenset({Permission.WRITE})
_READ = frozenset({Permission.READ, Permission.WRITE})

PERMISSIONS = {
    Operation.SUMMARY: _PII,
    Operation.USER: _PII,
    Operation.RESET_USER: _WRITE,
    Operation.BEHAVIORS: _READ,
    Operation.UPDATE_BEHAVIORS: _WRITE,
    Operation.INTEGRATIONS: _READ,
    Operation.CREATE_INTEGRATION: _WRITE,
    Operation.INTEGRATION: _READ,
    Operation.UPDATE_INTEGRATION: _WRITE,
    Operation.DELETE_INTEGRATION: _WRITE,
    Operation.INTEGRATION_BY_REFERENCE: _READ,
}
"""The permissions of each operation, any one of which is sufficient."""


@dataclass(frozen=True, slots=True)
class Route:
    """The target of a call; `key` is the user, integration or reference id in the path."""

    operation: Operation
    account_id: str
    key: str = ""


# The first matching pattern is used, so the patterns with a user id come last.
_PATHS: tuple[tuple[str, dict[str, Operation]], ...] = (
    ("/summary", {"GET": Operation.SUMMARY}),
    ("/behaviors", {"GET": Operation.BEHAVIORS, "PUT": Operation.UPDATE_BEHAVIORS}),
    ("/integrations", {"GET": Operation.INTEGRATIONS, "POST": Operation.CREATE_INTEGRATION}),
    (
        "/integrations/(?P<key>[^/]+)",
        {
            "GET": Operation.INTEGRATION,
            "PUT": Operation.UPDATE_INTEGRATION,
            "DELETE": Operation.DELETE_INTEGRATION,
        },
    ),
    ("/integrations/reference_id/(?P<key>[^/]+)", {"GET": Operation.INTEGRATION_BY_REFERENCE}),
    ("/(?P<key>[^/]+)/reset", {"POST": Operation.RESET_USER}),
    ("/(?P<key>[^/]+)", {"GET": Operation.USER}),
)
_PREFIX = "/accounts/(?P<account>[^/]+)/zt_risk_scoring"
_ACCOUNT_ID = re.compile("[0-9a-f]{32}")
_ROUTES = tuple((re.compile(_PREFIX + path), methods) for path, methods in _PATHS)


def find_route(method: str, path: str, account_ids: Collection[str]) -> Route:
    """Return the route of a still percent-encoded `path` below the base URL.

    Account ids are accepted in any case. Raise ApiError if there is no route, which includes an
    account id that is neither in `account_ids` nor 32 hexadecimal digits.
    """
    for pattern, methods in _ROUTES:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        account_id = found["account"].lower()
        if account_id not in account_ids and not _ACCOUNT_ID.fullmatch(account_id):
            continue
        if method not in methods:
            raise no_method(method)
        key = unquote(found.groupdict().get("key", ""))
        return Route(methods[method], account_id, key)
    raise no_route(path)


def route_or_none(method: str, path: str, account_ids: Collection[str]) -> Route | None:
    """Return what `find_route` returns, or None in place of an error."""
    try:
        return find_route(method, path, account_ids)
    except ApiError:
        return None


@dataclass(frozen=True, slots=True)
class AuthorizedCall:
    """A call that may be performed: its token is known, has the permission and has quota left."""

    call: Call
    route: Route
    token: Token
    account: Account
    world: World
    now_ns: int


def success_reply(authorized: AuthorizedCall, result: object) -> Reply:
    """Return a successful reply with `result` as JSON."""
    result_first = authorized.account.traits.result_first
    return Reply(200, success(result, result_first=result_first), {})
