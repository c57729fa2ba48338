"""One HTTP exchange with the API: how a request is sent, bounded, checked and reported."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import (
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
)
from yarl import URL

from exporter import __version__
from exporter.clock import Clock
from exporter.cloudflare.client.answer import Answer
from exporter.cloudflare.client.failures import translated
from exporter.cloudflare.credentials import TokenSource
from exporter.cloudflare.wire import (
    QuotaHeaders,
    Request,
    Response,
    check_status,
    is_good,
    read_quota,
    retry_after_seconds,
)
from exporter.errors import ConfigurationError, ForbiddenError, PollError, UnauthorizedError

DEFAULT_MAX_BODY_BYTES = 256 * 1024 * 1024
"""The summary of a million users is about 200 MB; it is read in slices and never held whole."""

_USER_AGENT = f"cloudflare-risk-exporter/{__version__}"
_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """What telemetry and the quota governor learn of one HTTP exchange, good or bad.

    `outcome` is the HTTP status, or the error's `reason` where no status ever came. `seconds` run
    from the request to the last byte read; of a streamed summary they hold the reader's own time
    too. `rows` counts the rows of a good answer, `unreadable_rows` those of them left out.
    """

    operation: str
    outcome: str
    seconds: float
    quota: QuotaHeaders | None = None
    retry_after_seconds: float | None = None
    rows: int = 0
    unreadable_rows: int = 0


class Transport:
    """Sends requests over a borrowed session, each within `timeout_seconds`, body included."""

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
        self._base = _base_url(api_url)
        self._token = token
        self._timeout = ClientTimeout(
            total=timeout_seconds, sock_connect=min(_CONNECT_SECONDS, timeout_seconds)
        )
        self._on_exchange = on_exchange
        self._clock = clock

    @asynccontextmanager
    async def exchange(self, request: Request, *, longest: int) -> AsyncIterator[Answer]:
        """Send a request; inside the block its answer, whose status is good, is read.

        Raises PollErrors only, for what happens before the block and in it. The exchange is
        reported when the block ends, unless it was cancelled before any status came.
        """
        started = self._clock.monotonic()
        answer: Answer | None = None
        failure: PollError | None = None
        try:
            with translated():
                async with self._send(request) as response:
                    answer = Answer(response, longest=longest)
                    await self._check(answer)
                    yield answer
        except PollError as error:
            failure = error
            raise
        finally:
            seconds = self._clock.monotonic() - started
            self._report(request, answer=answer, failure=failure, seconds=seconds)

    def _send(self, request: Request) -> AbstractAsyncContextManager[ClientResponse]:
        query = f"?{urlencode(request.query)}" if request.query else ""
        return self._session.request(
            request.method,
            URL(f"{self._base}{request.path}{query}", encoded=True),
            data=request.body,
            headers=_headers(request),
            timeout=self._timeout,
            allow_redirects=False,
            auto_decompress=False,
            middlewares=(self._authorize,),
        )

    async def _authorize(
        self, request: ClientRequest, handler: ClientHandlerType
    ) -> ClientResponse:
        """Put the token into the request.

        Here rather than among the headers, because a session that heeds the proxy variables also
        heeds netrc, and aiohttp refuses a request that has both.
        """
        request.headers["Authorization"] = f"Bearer {self._token.current()}"
        return await handler(request)

    async def _check(self, answer: Answer) -> None:
        if is_good(answer.status):
            return
        body = await self._error_body(answer)
        try:
            check_status(Response(answer.status, answer.headers, body), now=self._clock.time())
        except (UnauthorizedError, ForbiddenError):
            self._token.reread()
            raise

    async def _error_body(self, answer: Answer) -> bytes:
        """Read the explanation of an error; the status counts even where it cannot be read.

        Should the API ever repeat the token to us, it ends here.
        """
        body = b""
        with suppress(PollError), translated():
            body = await answer.beginning(_ERROR_BODY_BYTES)
        return body.replace(self._token.current().encode(), b"[redacted]")

    def _report(
        self,
        request: Request,
        *,
        answer: Answer | None,
        failure: PollError | None,
        seconds: float,
    ) -> None:
        if answer is not None:
            now = self._clock.time()
            exchange = Exchange(
                request.operation,
                str(answer.status),
                seconds,
                quota=read_quota(answer.headers),
                retry_after_seconds=retry_after_seconds(answer.headers, now=now),
                rows=answer.rows,
                unreadable_rows=answer.unreadable_rows,
            )
            self._on_exchange(exchange)
        elif failure is not None:
            self._on_exchange(Exchange(request.operation, failure.reason, seconds))


def _base_url(api_url: str) -> str:
    try:
        url = URL(api_url)
    except ValueError as error:
        raise ConfigurationError("the API's URL is not a URL") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError("the API's URL must begin with https:// (or http://) and a host")
    return api_url.rstrip("/")


def _headers(request: Request) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": _USER_AGENT,
    }
    return headers if request.body is None else {**headers, "Content-Type": "application/json"}
