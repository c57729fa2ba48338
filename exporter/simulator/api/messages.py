"""Requests and replies of the API: the call, the reply, Cloudflare's envelope, and errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from exporter.simulator.world.bodies import Body, Piece

_ENCODER = msgspec.json.Encoder()
_REST = b'"success":true,"errors":[],"messages":[]'


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry of the envelope's `errors`; `pointer` is its place in the request, if any."""

    code: int
    message: str
    pointer: str | None = None


class ApiError(Exception):
    """A call is rejected with an HTTP status and at least one problem."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.status = status
        self.problems = problems


def no_credentials() -> ApiError:
    """Return the error of a request without credentials."""
    return ApiError(400, Problem(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"))


def missing_credential(header: str) -> ApiError:
    """Return the error of a request with only one of X-Auth-Email and X-Auth-Key."""
    return ApiError(400, Problem(9106, f"Missing {header} header"))


def malformed_email() -> ApiError:
    """Return the error of an X-Auth-Email that is not an email address."""
    return ApiError(
        400,
        Problem(6003, "Invalid request headers"),
        Problem(6102, "Invalid format for X-Auth-Email header"),
    )


def unknown_key() -> ApiError:
    """Return the error of an unknown pair of email and key."""
    return ApiError(403, Problem(9103, "Unknown X-Auth-Key or X-Auth-Email"))


def malformed_credentials() -> ApiError:
    """Return the error of an Authorization header that is not a bearer token."""
    return ApiError(
        400,
        Problem(6003, "Invalid request headers"),
        Problem(6111, "Invalid format for Authorization header"),
    )


def forbidden() -> ApiError:
    """Return the error of a token without the permission or without access to the account."""
    return ApiError(403, Problem(10000, "Authentication error"))


def not_entitled() -> ApiError:
    """Return the error of an account whose plan does not include risk scoring."""
    return ApiError(403, Problem(10000, "Risk scoring is not part of this account's plan"))


def throttled() -> ApiError:
    """Return the error of a token whose quota is used up."""
    return ApiError(429, Problem(971, "Please wait and consider throttling your request speed"))


def user_not_found() -> ApiError:
    """Return the error of an unknown or deleted user."""
    return ApiError(404, Problem(1404, "User not found"))


def integration_not_found() -> ApiError:
    """Return the error of an unknown integration."""
    return ApiError(404, Problem(1404, "Integration not found"))


def unknown_token(status: int) -> ApiError:
    """Return the error of an unknown token; Cloudflare uses the status 401 or 403."""
    return ApiError(status, Problem(9109, "Invalid access token"))


def no_route(path: str) -> ApiError:
    """Return the error of a path without a route."""
    return ApiError(
        404,
        Problem(7003, f"Could not route to {path}, perhaps your object identifier is invalid?"),
        Problem(7000, "No route for that URI"),
    )


def no_method(method: str) -> ApiError:
    """Return the error of a method that the route of a path does not have."""
    return ApiError(405, Problem(7001, f"Method {method} not available for that URI."))


def invalid(message: str, *, pointer: str) -> ApiError:
    """Return the error of one invalid value at `pointer` in the request."""
    return ApiError(400, invalid_field(message, pointer=pointer))


def invalid_field(message: str, *, pointer: str) -> Problem:
    """Return the problem of one invalid value at `pointer` in the request."""
    return Problem(1400, message, pointer)


class ResultInfo(msgspec.Struct):
    """The page of a paged result."""

    count: int
    page: int
    per_page: int
    total_count: int
    total_pages: int


def success(result: object, *, result_first: bool) -> Body:
    """Return the envelope of a successful reply with `result` as JSON."""
    return wrap((Piece(_ENCODER.encode(result)),), result_first=result_first)


def wrap(
    result: Iterable[Piece], *, result_first: bool, result_info: ResultInfo | None = None
) -> Body:
    """Return the envelope of a successful reply whose result is already JSON, without copying it."""
    info = b"" if result_info is None else b',"result_info":' + _ENCODER.encode(result_info)
    head, tail = (b'{"result":', b"," + _REST + info + b"}")
    if not result_first:
        head, tail = (b"{" + _REST + info + b',"result":', b"}")
    return Body((Piece(head), *result, Piece(tail)))


def failure(problems: Sequence[Problem]) -> Body:
    """Return the envelope of an error."""
    answer = {"success": False, "errors": list(map(_error_entry, problems)), "messages": []}
    return Body.of(_ENCODER.encode({**answer, "result": None}))


def _error_entry(problem: Problem) -> dict[str, object]:
    entry: dict[str, object] = {"code": problem.code, "message": problem.message}
    if problem.pointer is not None:
        entry["source"] = {"pointer": problem.pointer}
    return entry


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


def ignore_delivery() -> None:
    """Do nothing: the delivery of the reply changes no state."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a call; the caller calls `delivered` once the whole body was sent."""

    status: int
    body: Body
    headers: Mapping[str, str]
    delivered: Callable[[], None] = ignore_delivery


def error_reply(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    """Return the reply of an error."""
    return Reply(error.status, failure(error.problems), headers or {})
