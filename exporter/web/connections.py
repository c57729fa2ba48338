"""Connection limits and time limits, and the request handler that applies them.

By default aiohttp responds to malformed requests and internal errors with a page that names the
versions of Python and aiohttp, logs a traceback for every port scan, and never closes a connection
that sends its request slowly. A subclass of its request handler is the only way to change that.
"""

import asyncio
import logging
import resource
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Never, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exporter.clock import Clock
from exporter.logs import get_logger
from exporter.web.responses import COMMON_HEADERS, answer_text

REQUEST_SECONDS = 10.0
"""The time limit for a complete request head, from the accepted connection (TLS handshake
included) or from the first byte of a further request; and the time limit for reading a short
response."""

KEEP_ALIVE_SECONDS = 330.0
"""The time limit of an idle connection. It is longer than most scrape intervals, because each
scrape would otherwise need a new handshake."""

MAX_CONNECTIONS = 512
"""The upper limit of connections, which bounds their memory. Scrapers and people need far fewer."""

_MIN_CONNECTIONS = 8
_DESCRIPTORS_OF_THE_PROCESS = 40
"""Listeners, event loop, state, log, configuration files, and a reserve for libraries."""
_DESCRIPTORS_PER_ACCOUNT = 8
"""The number of concurrent requests of one account's pollers."""

_SWEEP_SECONDS = 1.0
_CALM_SECONDS = 10.0
"""The end of the limit is logged after this long without a closed connection."""

# The server logs requests as structured events instead.
_NO_ACCESS_LOG = logging.Logger("aiohttp.access.off", logging.CRITICAL)  # noqa: LOG001  # must not be shared
# Never reached: the connection table closes idle connections.
_LIBRARY_KEEP_ALIVE_SECONDS = 10 * KEEP_ALIVE_SECONDS
# No route reads a request body, so the rest of one is not awaited for long.
_LINGERING_SECONDS = 1.0

_log = get_logger(__name__)


def connection_limit(*, accounts: int) -> int:
    """Return how many connections fit within the process's limit of open files.

    Descriptors for polling this many accounts, for the state and for files are reserved.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    reserved = _DESCRIPTORS_OF_THE_PROCESS + _DESCRIPTORS_PER_ACCOUNT * accounts
    return max(_MIN_CONNECTIONS, min(soft - reserved, MAX_CONNECTIONS))


class _Phase(Enum):
    RECEIVING = auto()
    """The TLS handshake or the request head is incomplete."""
    ANSWERING = auto()
    IDLE = auto()


class Client:
    """An entry of the connection table. `abort` closes the connection at once."""

    __slots__ = ("abort", "deadline", "has_asked", "phase", "since")

    def __init__(self, *, abort: Callable[[], object], now: float) -> None:
        self.abort = abort
        self.phase = _Phase.RECEIVING
        self.since = now
        self.deadline: float | None = now + REQUEST_SECONDS
        self.has_asked = False


class ConnectionTable:
    """All open connections, at most `limit` of them.

    `on_refused` is called with the reason for each connection that the server closes: `limit` for
    a new connection while all others are busy, `evicted` for a waiting connection that made room
    for a new one, `timeout` for a request, or the reading of a short response, that took too long.
    """

    def __init__(self, *, limit: int, clock: Clock, on_refused: Callable[[str], None]) -> None:
        self.limit = limit  # may be changed at any time
        self._clock = clock
        self._on_refused = on_refused
        self._clients: set[Client] = set()
        self._crowded_at: float | None = None
        self._turned_away = 0

    @property
    def count(self) -> int:
        """The number of open connections."""
        return len(self._clients)

    def admit(self, abort: Callable[[], object]) -> Client | None:
        """Add a new connection. At the limit, evict a waiting connection first.

        Return None if every connection is busy. The caller must then close the new one.
        """
        if len(self._clients) >= self.limit and not self.evict():
            self._note_crowded("limit")
            return None
        client = Client(abort=abort, now=self._clock.monotonic())
        self._clients.add(client)
        return client

    def evict(self) -> bool:
        """Close a waiting connection. Return False if there is none.

        Connections that have never sent a request are closed first, then the longest waiting.
        """
        waiting = (client for client in self._clients if client.phase is not _Phase.ANSWERING)
        spared = min(waiting, key=lambda client: (client.has_asked, client.since), default=None)
        if spared is None:
            return False
        self._note_crowded("evicted")
        self._close(spared)
        return True

    def remove(self, client: Client) -> None:
        """Remove a closed connection."""
        self._clients.discard(client)

    def note_started(self, client: Client) -> None:
        """Record that the first bytes of a further request have arrived."""
        now = self._clock.monotonic()
        self._enter(client, _Phase.RECEIVING, deadline=now + REQUEST_SECONDS)

    def note_asked(self, client: Client) -> None:
        """Record that a request head is complete. The handler limits its own time."""
        client.has_asked = True
        self._enter(client, _Phase.ANSWERING, deadline=None)

    def note_sending(self, client: Client) -> None:
        """Record that only the rest of a short response remains to be sent."""
        client.deadline = self._clock.monotonic() + REQUEST_SECONDS

    def note_answered(self, client: Client) -> None:
        """Record that the connection waits for a further request."""
        now = self._clock.monotonic()
        self._enter(client, _Phase.IDLE, deadline=now + KEEP_ALIVE_SECONDS)

    async def sweep(self) -> Never:
        """Close connections that are past their deadline, until cancelled."""
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            now = self._clock.monotonic()
            for client in [each for each in self._clients if _is_late(each, now)]:
                if client.phase is not _Phase.IDLE:
                    self._on_refused("timeout")
                self._close(client)
            self._note_calm(now)

    def abort_all(self) -> None:
        """Close every connection at once."""
        for client in list(self._clients):
            self._close(client)

    def _enter(self, client: Client, phase: _Phase, *, deadline: float | None) -> None:
        client.phase = phase
        client.since = self._clock.monotonic()
        client.deadline = deadline

    def _close(self, client: Client) -> None:
        self._clients.discard(client)
        client.abort()

    def _note_crowded(self, reason: str) -> None:
        self._on_refused(reason)
        self._turned_away += 1
        if self._crowded_at is None:
            _log.warning("connections.limit_reached", limit=self.limit)
        self._crowded_at = self._clock.monotonic()

    def _note_calm(self, now: float) -> None:
        if self._crowded_at is not None and now - self._crowded_at >= _CALM_SECONDS:
            _log.info("connections.limit_left", limit=self.limit, turned_away=self._turned_away)
            self._crowded_at = None
            self._turned_away = 0


def _is_late(client: Client, now: float) -> bool:
    return client.deadline is not None and now >= client.deadline


class RequestHandler(web.RequestHandler):
    """Handles one connection. Its error responses have the common headers and no details."""

    __slots__ = ("_client", "_table")

    def __init__(self, manager: web.Server, client: Client, table: ConnectionTable) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=_NO_ACCESS_LOG,
            keepalive_timeout=_LIBRARY_KEEP_ALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,
        )
        self._client = client
        self._table = table

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for a request."""
        super().connection_made(transport)
        # uvloop's transports are not subclasses of asyncio's.
        self._client.abort = cast("asyncio.Transport", transport).abort

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remove the connection from the table."""
        super().connection_lost(exc)
        self._table.remove(self._client)

    def data_received(self, data: bytes) -> None:
        """Parse received data. A complete request head ends its time limit."""
        super().data_received(data)
        if self._messages:
            self._table.note_asked(self._client)
        # aiohttp's waiter exists while it awaits a request, not while it skips a body.
        elif data and self._client.phase is _Phase.IDLE and self._waiter is not None:
            self._table.note_started(self._client)

    def close(self) -> None:
        """Close the connection after the answer in progress, at once where there is none.

        aiohttp only stops reading from a connection that waits for a request, and leaves it open.
        """
        super().close()
        if self._client.phase is not _Phase.ANSWERING:
            self.force_close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of a response within the time limit."""
        self._table.note_sending(self._client)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if self._messages:
                self._table.note_asked(self._client)
            else:
                self._table.note_answered(self._client)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # it quotes the request
    ) -> web.StreamResponse:
        """Respond to malformed requests with 400, and to bugs with 500 and a logged traceback.

        Raises ConnectionError, which ends the connection, if a response has begun already.
        """
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request.failed", exc_info=exc)
        else:
            _log.debug("request.malformed", remote=request.remote, status=status)
        if request.writer.output_size:
            raise ConnectionError("a response has begun already")
        response = answer_text(HTTPStatus(status).phrase, status=status, headers=COMMON_HEADERS)
        response.force_close()
        return response

    def log_exception(self, *_: object, exc_info: object = None, **__: object) -> None:
        """Log why the connection ended: a traceback for a bug, one line for a malformed body.

        aiohttp calls this after the response, while it skips a body that contradicts its headers.
        """
        if isinstance(exc_info, web.RequestPayloadError | HttpProcessingError):
            _log.debug("request.malformed", status=int(HTTPStatus.BAD_REQUEST))
        else:
            _log.error("request.failed", exc_info=exc_info)
