"""One HTTP exchange with the API: how a request is sent, and its answer bounded and reported."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from aiohttp import (
    ClientResponse,
    ClientSession,
    ClientTimeout,
)
from yarl import URL

from exporter import __version__
from exporter.clock import Clock
from exporter.cloudflare.client.credentials import TokenSource, fingerprint
from exporter.cloudflare.client.failures import Route, translated
from exporter.cloudflare.client.session import proxy_for
from exporter.cloudflare.wire import (
    Inflater,
    QuotaHeaders,
    Request,
    Response,
    check_status,
    is_good,
    ray_id,
    read_quota,
    read_retry_after,
)
from exporter.errors import ForbiddenError, PollError, UnauthorizedError

DEFAULT_MAX_BODY_BYTES = 256 * 1024 * 1024
"""Limit of the summary: that of a million users is about 200 MB. It is read in slices."""

_USER_AGENT = f"cloudflare-risk-exporter/{__version__}"
_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 64 * 1024

CANCELLED = "cancelled"
"""The outcome of a request that was cancelled before its status was received."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A report of one HTTP exchange, for telemetry and the quota governor.

    `outcome` is the HTTP status, or the error's `reason` if no status was received. `seconds` last
    from the request to the last byte read, and include the consumer's time for a streamed summary.
    `rows` counts the rows of a good answer, `unreadable_rows` those of them that were left out.
    `token` is the fingerprint of the token that was sent.
    """

    operation: str
    outcome: str
    seconds: float
    quota: QuotaHeaders | None = None
    retry_after_seconds: float | None = None
    rows: int = 0
    unreadable_rows: int = 0
    token: str = ""


class Answer:
    """Status and headers of an answer. Iterate once over it to read the inflated body in pieces.

    A piece has at most `wire.PIECE_BYTES`. Reading raises BadResponseError for more than `longest`
    bytes, and for a body that is incomplete or does not inflate.
    """

    def __init__(self, response: ClientResponse, *, longest: int, now: float) -> None:
        self.status = response.status
        self.headers = _joined(response)
        self.quota = read_quota(self.headers)
        self.retry_after = read_retry_after(self.headers, now=now)
        self.rows = 0
        self.unreadable_rows = 0
        self._content = response.content
        self._inflater = Inflater(self.headers.get("content-encoding", ""), limit=longest)
        self._pieces: Iterator[bytes] = iter(())

    def note_rows(self, *, readable: int, unreadable: int) -> None:
        """Add to the numbers of rows that could and could not be read."""
        self.rows += readable + unreadable
        self.unreadable_rows += unreadable

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            piece = next(self._pieces, None)
            if piece is not None:
                return piece
            chunk = await self._content.readany()
            if not chunk:
                self._inflater.finish()
                raise StopAsyncIteration
            self._pieces = self._inflater.feed(chunk)

    async def body(self) -> bytes:
        """Read the whole body."""
        return b"".join([piece async for piece in self])

    async def beginning(self, length: int) -> bytes:
        """Read the body up to about `length` bytes."""
        read = bytearray()
        async for piece in self:
            read += piece
            if len(read) >= length:
                break
        return bytes(read)


class Transport:
    """Sends requests over the caller's session, each within `timeout_seconds`, body included."""

    def __init__(
        self,
        session: ClientSession,
        *,
        api_url: str,
        token: TokenSource,
        timeout_seconds: float,
        on_exchange: Callable[[Exchange], None],
        clock: Clock,
    ) -> None:
        self._session = session
        self._base = api_url
        self._token = token
        url = URL(self._base)
        connect_seconds = min(_CONNECT_SECONDS, timeout_seconds)
        self._timeout = ClientTimeout(total=timeout_seconds, sock_connect=connect_seconds)
        self._proxy = proxy_for(url)
        self._is_tunnelled = url.scheme == "https"
        self._route = Route.to(
            url, self._proxy, timeout_seconds=timeout_seconds, connect_seconds=connect_seconds
        )
        self._on_exchange = on_exchange
        self._clock = clock

    @asynccontextmanager
    async def exchange(self, request: Request, *, longest: int) -> AsyncIterator[Answer]:
        """Send a request and yield its answer, whose status is good, to be read in the block.

        All failures before and in the block raise PollErrors. The exchange is reported when the
        block ends, also after a cancellation.
        """
        started = self._clock.monotonic()
        token = self._token.current()
        answer: Answer | None = None
        failure: PollError | None = None
        try:
            with translated(self._route):
                async with self._send(request, token) as response:
                    answer = Answer(response, longest=longest, now=self._clock.time())
                    await self._check(answer, request, token)
                    yield answer
        except PollError as error:
            failure = error
            if answer is not None:
                error.ray_id = ray_id(answer.headers)
            raise
        finally:
            exchange = self._exchange(
                request,
                answer=answer,
                failure=failure,
                seconds=self._clock.monotonic() - started,
                token=token,
            )
            self._on_exchange(exchange)

    def _send(self, request: Request, token: str) -> AbstractAsyncContextManager[ClientResponse]:
        headers, proxy_headers = _headers(request), None
        # Set here because aiohttp has no bearer authentication.
        headers["Authorization"] = f"Bearer {token}"
        if self._proxy is not None and self._proxy.authorization is not None:
            for_proxy = {"Proxy-Authorization": self._proxy.authorization}
            if self._is_tunnelled:
                proxy_headers = for_proxy
            else:
                headers.update(for_proxy)
        query = f"?{urlencode(request.query)}" if request.query else ""
        return self._session.request(
            request.method,
            URL(f"{self._base}{request.path}{query}", encoded=True),
            data=request.body,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            auto_decompress=False,
            proxy=None if self._proxy is None else self._proxy.url,
            proxy_headers=proxy_headers,
        )

    async def _check(self, answer: Answer, request: Request, token: str) -> None:
        if is_good(answer.status):
            return
        body = await self._error_body(answer, token)
        try:
            check_status(
                Response(answer.status, answer.headers, body),
                retry_after=answer.retry_after,
                quotes_api=request.body is not None,
            )
        except (UnauthorizedError, ForbiddenError):
            self._token.reread()
            raise

    async def _error_body(self, answer: Answer, token: str) -> bytes:
        """Read the body of an error, which may be empty or incomplete, and remove the token."""
        body = b""
        with suppress(PollError), translated(self._route):
            body = await answer.beginning(_ERROR_BODY_BYTES)
        return body.replace(token.encode(), b"[redacted]")

    def _exchange(
        self,
        request: Request,
        *,
        answer: Answer | None,
        failure: PollError | None,
        seconds: float,
        token: str,
    ) -> Exchange:
        """Return the report. Without an answer and a failure, the request was cancelled."""
        sent_with = fingerprint(token)
        if answer is not None:
            return Exchange(
                request.operation,
                str(answer.status),
                seconds,
                quota=answer.quota,
                retry_after_seconds=None
                if answer.retry_after is None
                else answer.retry_after.seconds,
                rows=answer.rows,
                unreadable_rows=answer.unreadable_rows,
                token=sent_with,
            )
        outcome = CANCELLED if failure is None else failure.reason
        return Exchange(request.operation, outcome, seconds, token=sent_with)


def _headers(request: Request) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": _USER_AGENT,
    }
    return headers if request.body is None else {**headers, "Content-Type": "application/json"}


def _joined(response: ClientResponse) -> Mapping[str, str]:
    """Return the headers by lower-case name, repeated ones joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
