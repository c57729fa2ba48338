"""Requests and replies of the API: the call, the reply, Cloudflare's envelope, and errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from exporter.simulator.world.bodies import Body, Piece


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of an envelope's `errors`; `pointer` is the place in the request, if any."""

    code: int
    message: str
    pointer: str | None = None


class ApiError(Exception):
    """The call is refused with an HTTP status and one problem or more."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.status = status
        self.problems = problems


def no_credentials() -> ApiError:
    """The request carries none."""
    return ApiError(400, Problem(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"))


def missing_credential(header: str) -> ApiError:
    """The request carries only one of X-Auth-Email and X-Auth-Key."""
    return ApiError(400, Problem(9106, f"Missing {header} header"))


def malformed_email() -> ApiError:
    """X-Auth-Email is not an email address."""
    return ApiError(
        400,
        Problem(6003, "Invalid request headers"),
        Problem(6102, "Invalid format for X-Auth-Email header"),
    )


def unknown_key() -> ApiError:
    """No user has this pair of email and key."""
    return ApiError(403, Problem(9103, "Unknown X-Auth-Key or X-Auth-Email"))


def malformed_credentials() -> ApiError:
    """The Authorization header is not a bearer token."""
    return ApiError(
        400,
        Problem(6003, "Invalid request headers"),
        Problem(6111, "Invalid format for Authorization header"),
    )


def forbidden() -> ApiError:
    """The token may not do this, or not in this account."""
    return ApiError(403, Problem(10000, "Authentication error"))


def not_entitled() -> ApiError:
    """The account's plan has no risk scoring."""
    return ApiError(403, Problem(10000, "Risk scoring is not part of this account's plan"))


def throttled() -> ApiError:
    """The token's quota is spent."""
    return ApiError(429, Problem(971, "Please wait and consider throttling your request speed"))


def user_not_found() -> ApiError:
    """The account has no such user now."""
    return ApiError(404, Problem(1404, "User not found"))


def integration_not_found() -> ApiError:
    """The account has no such integration."""
    return ApiError(404, Problem(1404, "Integration not found"))


def unknown_token(status: int) -> ApiError:
    """No such token; Cloudflare answers 401 or 403."""
    return ApiError(status, Problem(9109, "Invalid access token"))


def no_route(path: str) -> ApiError:
    """Nothing is at `path`."""
    return ApiError(
        404,
        Problem(7003, f"Could not route to {path}, perhaps your object identifier is invalid?"),
        Problem(7000, "No route for that URI"),
    )


def no_method(method: str) -> ApiError:
    """Something is at that path, but not for `method`."""
    return ApiError(405, Problem(7001, f"Method {method} not available for that URI."))


def invalid(message: str, *, pointer: str) -> ApiError:
    """What stands at `pointer` in the request is not acceptable."""
    return ApiError(400, invalid_field(message, pointer=pointer))


def invalid_field(message: str, *, pointer: str) -> Problem:
    """One thing that is wrong with a request's body or query."""
    return Problem(1400, message, pointer)


_ENCODER = msgspec.json.Encoder()
_REST = b'"success":true,"errors":[],"messages":[]'


class ResultInfo(msgspec.Struct):
    """Which page of how many the result is."""

    count: int
    page: int
    per_page: int
    total_count: int
    total_pages: int


def success(result: object, *, result_first: bool) -> Body:
    """Wrap a JSON `result`."""
    return wrap((Piece(_ENCODER.encode(result)),), result_first=result_first)


def wrap(
    result: Iterable[Piece], *, result_first: bool, result_info: ResultInfo | None = None
) -> Body:
    """Wrap a result that is already JSON, without copying it."""
    info = b"" if result_info is None else b',"result_info":' + _ENCODER.encode(result_info)
    head, tail = (b'{"result":', b"," + _REST + info + b"}")
    if not result_first:
        head, tail = (b"{" + _REST + info + b',"result":', b"}")
    return Body((Piece(head), *result, Piece(tail)))


def failure(problems: Sequence[Problem]) -> Body:
    """Wrap errors."""
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
    """Take note of nothing: it does not matter whether the reply went out whole."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; `delivered` is to be called once all of it went out."""

    status: int
    body: Body
    headers: Mapping[str, str]
    delivered: Callable[[], None] = ignore_delivery


def error_reply(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    """Reply with an error."""
    return Reply(error.status, failure(error.problems), headers or {})
