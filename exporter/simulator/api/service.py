"""The API of a world: routing, authentication, quota, permission, and the operation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from exporter.simulator.api import configuration, users
from exporter.simulator.api.messages import (
    ApiError,
    Call,
    Reply,
    error_reply,
    forbidden,
    malformed_credentials,
    malformed_email,
    missing_credential,
    no_credentials,
    not_entitled,
    throttled,
    unknown_key,
    unknown_token,
)
from exporter.simulator.api.operations import (
    PERMISSIONS,
    AuthorizedCall,
    Operation,
    Route,
    find_route,
    route_or_none,
)
from exporter.simulator.world.tokens import QuotaResult, QuotaStatus, Token
from exporter.simulator.world.world import World

_HANDLERS: Mapping[Operation, Callable[[AuthorizedCall], Reply]] = {
    Operation.SUMMARY: users.get_summary,
    Operation.USER: users.get_user,
    Operation.RESET_USER: users.reset_user,
    Operation.BEHAVIORS: configuration.get_behaviors,
    Operation.UPDATE_BEHAVIORS: configuration.update_behaviors,
    Operation.INTEGRATIONS: configuration.list_integrations,
    Operation.CREATE_INTEGRATION: configuration.create_integration,
    Operation.INTEGRATION: configuration.get_integration,
    Operation.UPDATE_INTEGRATION: configuration.update_integration,
    Operation.DELETE_INTEGRATION: configuration.delete_integration,
    Operation.INTEGRATION_BY_REFERENCE: configuration.get_integration_by_reference,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a call before it is performed.

    `token` and `route` are None if the call has none. Exactly one of `authorized` and `rejection` is
    set. `headers` are those of the quota.
    """

    token: Token | None
    route: Route | None
    headers: Mapping[str, str]
    authorized: AuthorizedCall | None = None
    rejection: Reply | None = None


class Service:
    """The API of a world. Instants are Unix nanoseconds, or seconds of a monotonic clock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def authorize(self, call: Call, *, now_ns: int, monotonic: float) -> Decision:
        """Decide whether a call may be performed. Every call of a known token uses quota."""
        route = route_or_none(call.method, call.path, self._world.accounts)
        token = None
        headers: Mapping[str, str] = {}
        try:
            token = self._authenticate(call)
            result = token.quota.spend(monotonic)
            headers = self._quota_headers(result)
            if result.retry_after_seconds is not None:
                raise throttled()
            authorized = self._check_permission(call, token, now_ns=now_ns)
        except ApiError as error:
            rejection = error_reply(error, headers)
            return Decision(token, route, headers, rejection=rejection)
        return Decision(token, route, headers, authorized=authorized)

    def perform(self, authorized: AuthorizedCall, *, now_ns: int) -> Reply:
        """Perform an authorized call, possibly after a delay, as of `now_ns`."""
        authorized = replace(authorized, now_ns=now_ns)
        try:
            return _HANDLERS[authorized.route.operation](authorized)
        except ApiError as error:
            return error_reply(error)

    def _authenticate(self, call: Call) -> Token:
        """Return the token of an Authorization header, or of X-Auth-Email and X-Auth-Key."""
        if call.authorization is not None:
            return self._token_of_bearer(call.authorization)
        if not call.auth_email and not call.auth_key:
            raise no_credentials()
        return self._token_of_key(call.auth_email or "", call.auth_key or "")

    def _token_of_bearer(self, authorization: str) -> Token:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise malformed_credentials()
        token = self._world.tokens.get(value.strip())
        if token is None or token.email is not None:
            raise unknown_token(self._world.unknown_token_status)
        return token

    def _token_of_key(self, email: str, key: str) -> Token:
        if not email:
            raise missing_credential("X-Auth-Email")
        if not key:
            raise missing_credential("X-Auth-Key")
        if "@" not in email:
            raise malformed_email()
        token = self._world.tokens.get(key)
        if token is None or token.email not in {None, email.lower()}:
            raise unknown_key()
        return token

    def _check_permission(self, call: Call, token: Token, *, now_ns: int) -> AuthorizedCall:
        route = find_route(call.method, call.path, self._world.accounts)
        account = self._world.accounts.get(route.account_id)
        if account is None or not token.may_enter(route.account_id):
            raise forbidden()
        if not PERMISSIONS[route.operation] & token.permissions:
            raise forbidden()
        if not account.traits.is_entitled:
            raise not_entitled()
        return AuthorizedCall(call, route, token, account, self._world, now_ns)

    def _quota_headers(self, result: QuotaResult) -> Mapping[str, str]:
        headers = {}
        if self._world.sends_quota_headers:
            headers["Ratelimit"] = ", ".join(map(_ratelimit_item, result.statuses))
            headers["Ratelimit-Policy"] = ", ".join(map(_ratelimit_policy_item, result.statuses))
        if result.retry_after_seconds is not None:
            headers["Retry-After"] = str(result.retry_after_seconds)
        return headers


def _ratelimit_item(status: QuotaStatus) -> str:
    seconds = math.ceil(status.reset_seconds)
    return f'"{status.policy.name}";r={status.remaining};t={seconds}'


def _ratelimit_policy_item(status: QuotaStatus) -> str:
    policy = status.policy
    return f'"{policy.name}";q={policy.requests};w={math.ceil(policy.window_seconds)}'
