"""The requests of the eleven operations: paths, queries and bodies, without host and token."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

import msgspec

from exporter.cloudflare.wire.decoding import label_of
from exporter.errors import ConfigurationError
from exporter.risk.model import BehaviorChange


class Operation(StrEnum):
    """One of the API's eleven operations; the value is the `operation` label."""

    LIST_SUMMARY = "list_summary"
    GET_USER = "get_user"
    RESET_USER = "reset_user"
    GET_BEHAVIORS = "get_behaviors"
    SET_BEHAVIORS = "set_behaviors"
    LIST_INTEGRATIONS = "list_integrations"
    CREATE_INTEGRATION = "create_integration"
    GET_INTEGRATION = "get_integration"
    UPDATE_INTEGRATION = "update_integration"
    DELETE_INTEGRATION = "delete_integration"
    FIND_INTEGRATION = "find_integration"


OPERATIONS = tuple(Operation)
"""All operations in the order of the API's reference."""

UNADDRESSABLE_USERS = frozenset({"", ".", "..", "summary", "behaviors", "integrations"})
"""Strings that are no user ids: in a path they would select another operation."""

_UNADDRESSABLE = frozenset({"", ".", "..", "reference_id"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` begins with a slash, follows the API's base URL and is already encoded.

    `body` is JSON or None.
    """

    operation: Operation
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def list_summary(account_id: str, *, page: int = 1) -> Request:
    """Return the request for the risk of all users of the account; pages count from 1."""
    path = _path(account_id, "summary")
    return Request(Operation.LIST_SUMMARY, "GET", path, query=_page_query(page))


def get_user(account_id: str, user_id: str) -> Request:
    """Return the request for one user's events and level."""
    return Request(Operation.GET_USER, "GET", _path(account_id, _user(user_id)))


def reset_user(account_id: str, user_id: str) -> Request:
    """Return the request that clears one user's score."""
    return Request(Operation.RESET_USER, "POST", _path(account_id, _user(user_id), "reset"))


def get_behaviors(account_id: str, *, page: int = 1) -> Request:
    """Return the request for all behaviors and their configuration."""
    path = _path(account_id, "behaviors")
    return Request(Operation.GET_BEHAVIORS, "GET", path, query=_page_query(page))


def set_behaviors(account_id: str, changes: Mapping[str, BehaviorChange]) -> Request:
    """Return the request that configures the behaviors of `changes` and no others.

    Raises ConfigurationError for a level that cannot be configured.
    """
    behaviors = {
        key: {"enabled": change.enabled, "risk_level": label_of(change.level)}
        for key, change in changes.items()
    }
    body = _json({"behaviors": behaviors})
    return Request(Operation.SET_BEHAVIORS, "PUT", _path(account_id, "behaviors"), body=body)


def list_integrations(account_id: str, *, page: int = 1) -> Request:
    """Return the request for all integrations."""
    path = _path(account_id, "integrations")
    return Request(Operation.LIST_INTEGRATIONS, "GET", path, query=_page_query(page))


def create_integration(
    account_id: str, *, integration_type: str, tenant_url: str, reference_id: str | None = None
) -> Request:
    """Return the request that creates an integration. `reference_id` is optional."""
    fields: dict[str, object] = {"integration_type": integration_type, "tenant_url": tenant_url}
    body = _json(_with_reference(fields, reference_id))
    path = _path(account_id, "integrations")
    return Request(Operation.CREATE_INTEGRATION, "POST", path, body=body)


def get_integration(account_id: str, integration_id: str) -> Request:
    """Return the request for one integration."""
    path = _path(account_id, "integrations", _integration(integration_id))
    return Request(Operation.GET_INTEGRATION, "GET", path)


def update_integration(
    account_id: str,
    integration_id: str,
    *,
    active: bool,
    tenant_url: str,
    reference_id: str | None = None,
) -> Request:
    """Return the request that overwrites an integration's writable fields.

    If `reference_id` is None, it is left out of the request.
    """
    fields: dict[str, object] = {"active": active, "tenant_url": tenant_url}
    body = _json(_with_reference(fields, reference_id))
    path = _path(account_id, "integrations", _integration(integration_id))
    return Request(Operation.UPDATE_INTEGRATION, "PUT", path, body=body)


def delete_integration(account_id: str, integration_id: str) -> Request:
    """Return the request that deletes one integration."""
    path = _path(account_id, "integrations", _integration(integration_id))
    return Request(Operation.DELETE_INTEGRATION, "DELETE", path)


def find_integration(account_id: str, reference_id: str) -> Request:
    """Return the request for the integration with this client-defined reference."""
    reference = _segment("reference id", reference_id)
    path = _path(account_id, "integrations", "reference_id", reference)
    return Request(Operation.FIND_INTEGRATION, "GET", path)


def _path(account_id: str, *segments: str) -> str:
    account = _segment("account id", account_id)
    return "/".join(["", "accounts", account, "zt_risk_scoring", *segments])


def _user(user_id: str) -> str:
    return _segment("user id", user_id, refused=UNADDRESSABLE_USERS)


def _integration(integration_id: str) -> str:
    return _segment("integration id", integration_id)


def _segment(what: str, value: str, *, refused: frozenset[str] = _UNADDRESSABLE) -> str:
    """Encode an id as one segment of a path."""
    if value in refused:
        raise ConfigurationError(f"{value!r} is not a valid {what}")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"the {what} is not Unicode text") from error


def _page_query(page: int) -> tuple[tuple[str, str], ...]:
    """Return a query for later pages only, because the API documents none for these operations."""
    return () if page == 1 else (("page", str(page)),)


def _with_reference(fields: dict[str, object], reference_id: str | None) -> dict[str, object]:
    return fields if reference_id is None else {**fields, "reference_id": reference_id}


def _json(document: Mapping[str, object]) -> bytes:
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError as error:
        raise ConfigurationError("a value to send is not Unicode text") from error
