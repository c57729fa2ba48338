"""A response: its body inflated within a bound, and the typed error of every bad status."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from isal import igzip_lib

from exporter.cloudflare.wire.envelope import Explanation, explanations
from exporter.cloudflare.wire.quota import RetryAfter
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
"""The other 2xx answer requests that the exporter never makes; 206 is a part of a body."""

PIECE_BYTES = 16 * 1024
"""The largest piece of an inflated body: small enough not to hold the event loop."""

_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity"})

_RAY = re.compile(r"[0-9A-Za-z-]{1,64}")

_ERROR_OF_STATUS: Mapping[int, type[StatusError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: header names in lower case, the body inflated.

    The repr omits the body, which contains names and emails.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def is_good(status: int) -> bool:
    """Return whether an answer with this status has a body for a reader."""
    return status in _GOOD


def ray_id(headers: Mapping[str, str]) -> str | None:
    """Read CF-RAY, the id of a request at Cloudflare; return None if it is missing or malformed."""
    text = headers.get("cf-ray", "")
    return text if _RAY.fullmatch(text) else None


def check_status(
    response: Response, *, retry_after: RetryAfter | None = None, quotes_api: bool = False
) -> None:
    """Raise the typed error of a status that is not a good one.

    The body is read for explanations only and may be anything. The error's message has the codes
    of the envelope and their known meaning. `quotes_api` adds the API's own words, redacted, for
    requests with a body: they say which field is wrong. `retry_after` is that of a 429.
    """
    if is_good(response.status):
        return
    if response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise BadResponseError(f"HTTP {response.status} is not a complete answer", field="status")
    if response.status < 400:  # noqa: PLR2004 - HTTP's own numbers
        raise BadResponseError(
            f"HTTP {response.status} is not an answer, and redirects are not followed",
            field="status",
        )
    raise _status_error(response, retry_after=retry_after, quotes_api=quotes_api)


def _status_error(
    response: Response, *, retry_after: RetryAfter | None, quotes_api: bool
) -> StatusError:
    found = explanations(response.body)
    codes = tuple(item.code for item in found if item.code is not None)
    texts = [item.quoted() if quotes_api else item.known() for item in found]
    if response.status == 404 and not quotes_api:  # noqa: PLR2004 - HTTP's own numbers
        texts.append("not found")
    message = "; ".join(text for text in texts if text)
    message = f"HTTP {response.status}{': ' if message else ''}{message}"
    if response.status == 429:  # noqa: PLR2004 - HTTP's own numbers
        return ThrottledError(
            f"{message}; {_refusal(retry_after)}",
            codes=codes,
            retry_after_seconds=None if retry_after is None else retry_after.seconds,
        )
    error = UnauthorizedError if _blames_token(response.status, found) else _of(response.status)
    return error(message, status=response.status, codes=codes)


def _of(status: int) -> type[StatusError]:
    if status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return ServerError
    return _ERROR_OF_STATUS.get(status, RejectedError)


def _blames_token(status: int, found: Iterable[Explanation]) -> bool:
    """Return whether the error is about the token although the status is not 401.

    Seen in public bug reports: a token of the wrong form is 400 with code 6003 ("Invalid request
    headers"); one that does not exist is 403 with code 9109 ("Invalid access token"), a code that
    also says "Unauthorized to access requested resource" of a good token without the permission.
    """
    return any(
        (status == 400 and item.code == _MALFORMED_TOKEN)  # noqa: PLR2004 - HTTP's own numbers
        or (status == 403 and item.code == _BAD_TOKEN and _NO_ACCESS not in item.text.lower())  # noqa: PLR2004
        for item in found
    )


def _refusal(retry_after: RetryAfter | None) -> str:
    if retry_after is None:
        return "the API refuses this token and does not say for how long"
    refusal = f"the API refuses this token for {retry_after.seconds:.0f} s"
    if retry_after.is_capped:
        refusal += " (its Retry-After is longer and is capped at one hour)"
    return refusal


class Inflater:
    """Turns the chunks of one body into pieces of at most `PIECE_BYTES`.

    `encoding` is the Content-Encoding header, "" if there is none. Raises BadResponseError for an
    encoding that was not requested, for data that are not gzip, and for more than `limit` inflated
    bytes.
    """

    def __init__(self, encoding: str, *, limit: int) -> None:
        self._encoding = encoding.strip().lower()
        self._member: igzip_lib.IgzipDecompressor | None = None
        self._left = limit

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Inflate one chunk. Take all pieces before feeding the next chunk."""
        for piece in self._pieces(chunk):
            self._left -= len(piece)
            if self._left < 0:
                raise BadResponseError("longer than allowed", field="body")
            yield piece

    def finish(self) -> None:
        """Raise BadResponseError if the gzip body is incomplete.

        An empty body is complete in every encoding.
        """
        if self._member is not None and not self._member.eof:
            raise BadResponseError("cut short", field="body")

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._encoding in _GZIP:
            return self._inflated(chunk)
        if self._encoding in _PLAIN:
            return (chunk[at : at + PIECE_BYTES] for at in range(0, len(chunk), PIECE_BYTES))
        raise BadResponseError("an encoding that was not requested", field="content-encoding")

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        """A gzip body may be several members one after the other (RFC 1952, 2.2)."""
        while chunk:
            member = self._next_member()
            yield from _pieces_of(member, chunk)
            chunk = member.unused_data if member.eof else b""

    def _next_member(self) -> igzip_lib.IgzipDecompressor:
        if self._member is None or self._member.eof:
            self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        return self._member


def _pieces_of(member: igzip_lib.IgzipDecompressor, chunk: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = member.decompress(chunk, PIECE_BYTES)
        except igzip_lib.IsalError as error:  # type: ignore[misc] # its stub forgets "type[]"
            raise BadResponseError("damaged: it does not inflate", field="body") from error
        if piece:
            yield piece
        if member.eof or member.needs_input:
            return
        chunk = b""
