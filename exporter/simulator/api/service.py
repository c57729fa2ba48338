"""The API of a world: routing, authentication, quota, permission, and the operation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from exporter.simulator.api import configuration, users
from exporter.simulator.api.messages import (
    ApiError,
    Call,
    Reply,
    forbidden,
    malformed_credentials,
    malformed_email,
    missing_credential,
    no_credentials,
    not_entitled,
    refuse,
    throttled,
    unknown_key,
    unknown_token,
)
from exporter.simulator.api.operations import (
    PERMISSIONS,
    Admitted,
    Operation,
    Route,
    find_route,
    route_or_none,
)
from exporter.simulator.world.tokens import Standing, Token, Verdict
from exporter.simulator.world.world import World

_HANDLERS: Mapping[Operation, Callable[[Admitted], Reply]] = {
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
    """What became of a call before it was performed.

    `token` and `route` are None where the call has none; exactly one of `admitted` and
    `refusal` is set. `headers` tell of the quota.
    """

    token: Token | None
    route: Route | None
    headers: Mapping[str, str]
    admitted: Admitted | None = None
    refusal: Reply | None = None


class Service:
    """A world's API. Instants are passed in: Unix nanoseconds, and a monotonic clock's seconds."""

    def __init__(self, world: World) -> None:
        self._world = world

    def admit(self, call: Call, *, now_ns: int, monotonic: float) -> Decision:
        """Decide whether a call may be performed; every call of a known token costs quota."""
        route = route_or_none(call.method, call.path, self._world.accounts)
        token = None
        headers: Mapping[str, str] = {}
        try:
            token = self._authenticate(call)
            verdict = token.quota.spend(monotonic)
            headers = self._tell_quota(verdict)
            if verdict.retry_after_seconds is not None:
                raise throttled()
            admitted = self._authorize(call, token, now_ns=now_ns)
        except ApiError as error:
            refusal = refuse(error, headers)
            return Decision(token, route, headers, refusal=refusal)
        return Decision(token, route, headers, admitted=admitted)

    def perform(self, admitted: Admitted, *, now_ns: int) -> Reply:
        """Perform an admitted call, which may have been kept waiting until `now_ns`."""
        admitted = replace(admitted, now_ns=now_ns)
        try:
            return _HANDLERS[admitted.route.operation](admitted)
        except ApiError as error:
            return refuse(error)

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

    def _authorize(self, call: Call, token: Token, *, now_ns: int) -> Admitted:
        route = find_route(call.method, call.path, self._world.accounts)
        account = self._world.accounts.get(route.account_id)
        if account is None or not token.may_enter(route.account_id):
            raise forbidden()
        if not PERMISSIONS[route.operation] & token.permissions:
            raise forbidden()
        if not account.traits.is_entitled:
            raise not_entitled()
        return Admitted(call, route, token, account, self._world, now_ns)

    def _tell_quota(self, verdict: Verdict) -> Mapping[str, str]:
        headers = {}
        if self._world.tells_quota:
            headers["Ratelimit"] = ", ".join(map(_tell_standing, verdict.standings))
            headers["Ratelimit-Policy"] = ", ".join(map(_tell_policy, verdict.standings))
        if verdict.retry_after_seconds is not None:
            headers["Retry-After"] = str(verdict.retry_after_seconds)
        return headers


def _tell_standing(standing: Standing) -> str:
    seconds = math.ceil(standing.reset_seconds)
    return f'"{standing.allowance.name}";r={standing.remaining};t={seconds}'


def _tell_policy(standing: Standing) -> str:
    allowance = standing.allowance
    return f'"{allowance.name}";q={allowance.requests};w={math.ceil(allowance.window_seconds)}'
