"""A response as a value, and the typed error of every status that is not a good one."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.cloudflare.wire.envelope import Explanation, explanations
from exporter.cloudflare.wire.quota import (
    LONGEST_RETRY_AFTER_SECONDS,
    requested_retry_seconds,
    retry_after_seconds,
)
from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    NotFoundError,
    RejectedError,
    ServerError,
    StatusError,
    ThrottledError,
    UnauthorizedError,
)

_MALFORMED_TOKEN = 6003
_BAD_TOKEN = 9109
_NO_ACCESS = "unauthorized to access"

_GOOD = frozenset({200, 201, 202, 204})
"""The other 2xx are answers to requests the exporter never makes; 206 is a part of a body."""

_RAY = re.compile(r"[0-9A-Za-z-]{1,64}")

_ERROR_OF_STATUS: Mapping[int, type[StatusError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
}


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: header names in lower case, the body inflated.

    The body never shows in a repr: it holds names and emails.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def is_good(status: int) -> bool:
    """Whether a status promises an answer that a reader should read."""
    return status in _GOOD


def ray_id(headers: Mapping[str, str]) -> str | None:
    """Read CF-RAY, the id of a request at Cloudflare; None where it is missing or malformed."""
    text = headers.get("cf-ray", "")
    return text if _RAY.fullmatch(text) else None


def check_status(response: Response, *, now: float, quotes_api: bool = False) -> None:
    """Raise the typed error of a status that is not a good one; return for a good one.

    `now` is Unix seconds, for a Retry-After that is a date. The body is read for explanations
    only, so any body will do: HTML, nothing, half an envelope. The error's message has the codes
    of the envelope and what is known of them. `quotes_api` adds the API's own words, redacted; it
    is for requests with a body, where they say which field is wrong.
    """
    if is_good(response.status):
        return
    if response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise BadResponseError(f"HTTP {response.status} is not a whole answer", field="status")
    if response.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        raise BadResponseError(
            f"HTTP {response.status} is no answer, and redirects are not followed", field="status"
        )
    raise _status_error(response, now=now, quotes_api=quotes_api)


def _status_error(response: Response, *, now: float, quotes_api: bool) -> StatusError:
    found = explanations(response.body)
    codes = tuple(item.code for item in found if item.code is not None)
    texts = [item.quoted() if quotes_api else item.known() for item in found]
    if response.status == 404 and not quotes_api:  # noqa: PLR2004 - HTTP's own numbers
        texts.append("not found")
    message = "; ".join(text for text in texts if text)
    message = f"HTTP {response.status}{': ' if message else ''}{message}"
    if response.status == 429:  # noqa: PLR2004 - HTTP's own numbers
        return ThrottledError(
            f"{message}; {_refused_for(response.headers, now=now)}",
            codes=codes,
            retry_after_seconds=retry_after_seconds(response.headers, now=now),
        )
    error = UnauthorizedError if _blames_token(response.status, found) else _of(response.status)
    return error(message, status=response.status, codes=codes)


def _of(status: int) -> type[StatusError]:
    if status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return ServerError
    return _ERROR_OF_STATUS.get(status, RejectedError)


def _blames_token(status: int, found: Iterable[Explanation]) -> bool:
    """Whether the API means the token although the status is not 401.

    Seen in public bug reports: a token of the wrong form is 400 with code 6003 ("Invalid request
    headers"); one that does not exist is 403 with code 9109 ("Invalid access token"), a code that
    also says "Unauthorized to access requested resource" of a good token without the permission.
    """
    return any(
        (status == 400 and item.code == _MALFORMED_TOKEN)  # noqa: PLR2004 - HTTP's own numbers
        or (status == 403 and item.code == _BAD_TOKEN and _NO_ACCESS not in item.text.lower())  # noqa: PLR2004
        for item in found
    )


def _refused_for(headers: Mapping[str, str], *, now: float) -> str:
    seconds = requested_retry_seconds(headers, now=now)
    if seconds is None:
        return "the API refuses this token and does not say for how long"
    if seconds > LONGEST_RETRY_AFTER_SECONDS:
        return (
            f"the API refuses this token for {LONGEST_RETRY_AFTER_SECONDS:.0f} s"
            " (its Retry-After is longer and is capped at one hour)"
        )
    return f"the API refuses this token for {seconds:.0f} s"
