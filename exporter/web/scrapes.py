"""`/metrics`: sends what lies ready, to a bounded number of readers, each for a bounded time."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from aiohttp import web

from exporter.clock import Clock
from exporter.exposition import Scrape
from exporter.gate import ScrapeGate
from exporter.web.negotiation import ScrapeWish, read_scrape_wish
from exporter.web.responses import Headers, answer_text
from exporter.web.sources import WebSources

_log = structlog.get_logger(__name__)

_RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class ScrapeLimits:
    """How many scrapes may be sent at once, and for how long each.

    Eight is two redundant Prometheus servers, an agent and a few people with curl at the same
    moment; each costs at most what its socket buffers, and under TLS a piece. A minute is the
    longest that Prometheus usually waits for a scrape: a reader slower than that is waited for
    by nobody.
    """

    concurrent: int = 8
    send_seconds: float = 60.0


class ScrapeEndpoint:
    """Answers scrapes, counting them at the gate."""

    def __init__(
        self, sources: WebSources, *, gate: ScrapeGate, clock: Clock, limits: ScrapeLimits
    ) -> None:
        self._sources = sources
        self._gate = gate
        self._clock = clock
        self._limits = limits
        self._closing = asyncio.Event()

    async def answer(self, request: web.BaseRequest, headers: Headers) -> web.StreamResponse:
        """Send one scrape whole, or 503 where too many are being sent.

        A reader that hangs up or is too slow ends its own scrape and nothing else.
        """
        if self._gate.in_progress >= self._limits.concurrent:
            return answer_text(
                "Too many scrapes at once",
                status=503,
                headers={**headers, "Retry-After": str(_RETRY_AFTER_SECONDS)},
            )
        with self._gate.sending():
            wish = _wish(request)
            scrape = self._sources.scrape(
                openmetrics=wish.openmetrics, gzip=wish.gzip, names=wish.names
            )
            response = _head(scrape, gzip=wish.gzip, headers=headers)
            await response.prepare(request)
            if request.method != "HEAD" and await self._send(request, response, scrape.pieces):
                scrape.carried()
        return response

    async def close(self) -> None:
        """Let open scrapes end for as long as work gives way to them, then drop the rest."""
        await self._gate.idle()
        self._closing.set()

    async def _send(
        self, request: web.BaseRequest, response: web.StreamResponse, pieces: Iterator[bytes]
    ) -> bool:
        """Send `pieces`; return whether the system has taken all of them."""
        if request.transport is not None:
            # Waits until the system has taken a piece: what stays with us escapes the watchdog
            # and the bound. Under TLS the last piece does: once encrypted it may lie with the
            # transport below, which nobody can ask.
            # Not 0, where a TLS transport pauses at its very limit even if nothing is left.
            request.transport.set_write_buffer_limits(high=1)
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(self._drop_when_late(request))
            is_whole = await _write(response, pieces)
            watchdog.cancel()
        return is_whole

    async def _drop_when_late(self, request: web.BaseRequest) -> None:
        is_closing = await self._clock.wait(self._closing, self._limits.send_seconds)
        if request.transport is not None:
            # Not close(), which would wait for the reader to take what is already buffered.
            request.transport.abort()
            _log.info("scrape.dropped", remote=request.remote, is_closing=is_closing)


def _wish(request: web.BaseRequest) -> ScrapeWish:
    return read_scrape_wish(
        accept=",".join(request.headers.getall("Accept", [])),
        accept_encoding=",".join(request.headers.getall("Accept-Encoding", [])),
        names=request.query.getall("name[]", []),
    )


def _head(scrape: Scrape, *, gzip: bool, headers: Headers) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            **headers,
            "Content-Type": scrape.content_type,
            "Vary": "Accept, Accept-Encoding",
        }
    )
    response.content_length = scrape.length
    if gzip:
        response.headers["Content-Encoding"] = "gzip"
    return response


async def _write(response: web.StreamResponse, pieces: Iterator[bytes]) -> bool:
    try:
        for piece in pieces:
            await response.write(piece)
            # write() alone does not give the loop back while the socket accepts.
            await asyncio.sleep(0)
        await response.write_eof()
    except ConnectionError:
        _log.debug("scrape.abandoned")
        return False
    return True
