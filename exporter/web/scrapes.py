"""`/metrics`: content negotiation, and sending the rendered exposition to a bounded number of clients.

Media ranges and weights follow RFC 9110 (12.4.2, 12.5.1, 12.5.3). A header that is invalid or too
long is ignored.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from exporter.clock import Clock
from exporter.exposition import Scrape
from exporter.logs import get_logger
from exporter.scrape_priority import ScrapePriority
from exporter.web.responses import Headers, answer_text

_log = get_logger(__name__)

_RETRY_AFTER_SECONDS = 5
_WEIGHT = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
# Such a body usually fits into a socket's send buffer.
_ONE_WRITE_BYTES = 65_536
_LONGEST_HEADER = 2048  # about eight times the length that Prometheus sends
_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_VERSIONS = frozenset({"", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


@dataclass(frozen=True, slots=True)
class ScrapeOptions:
    """What a client requests of a scrape. `names` is None if it requests all families."""

    openmetrics: bool
    gzip: bool
    names: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Choice:
    """An element of an Accept or Accept-Encoding header, in lower case."""

    value: str
    parameters: Mapping[str, str]
    weight: float


class ScrapeSource(Protocol):
    """A function that returns a scrape at once, from memory."""

    def __call__(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Return a scrape of the families in `names`, or of all of them if it is None."""
        ...


@dataclass(frozen=True, slots=True)
class ScrapeLimits:
    """The number of large scrapes that are sent at the same time, and the time limits of each.

    The default of eight is enough for two redundant Prometheus servers, an agent and several
    people with curl. Each scrape in progress keeps its exposition in memory. A scrape of at most
    `small_bytes` needs no slot, because socket buffers take most of it.

    If all slots are taken, a new scrape gets the slot of a client that has read nothing for
    `stalled_seconds`, or whose scrape has taken `guaranteed_seconds` (Prometheus's default scrape
    timeout). No scrape may take longer than `send_seconds`.
    """

    concurrent: int = 8
    send_seconds: float = 60.0
    small_bytes: int = 262_144
    stalled_seconds: float = 2.0
    guaranteed_seconds: float = 10.0


@dataclass(slots=True, eq=False)
class _Sending:
    """A scrape in progress. `progressed_at` is when the client last took a piece."""

    request: web.BaseRequest
    began_at: float
    progressed_at: float


class ScrapeEndpoint:
    """Sends scrapes, and counts those in progress so that other work yields to them."""

    def __init__(
        self,
        scrape: ScrapeSource,
        *,
        scrape_priority: ScrapePriority,
        clock: Clock,
        limits: ScrapeLimits,
    ) -> None:
        self._scrape = scrape
        self._scrape_priority = scrape_priority
        self._clock = clock
        self._limits = limits
        self._closing = asyncio.Event()
        self._slots: list[_Sending] = []

    async def answer(self, request: web.BaseRequest, headers: Headers) -> web.StreamResponse:
        """Send a scrape, or 503 if it is large and too many large scrapes are in progress.

        A client that disconnects or reads too slowly ends only its own scrape.
        """
        now = self._clock.monotonic()
        sending = _Sending(request, began_at=now, progressed_at=now)
        with self._scrape_priority.sending():
            options = _options(request)
            scrape = self._scrape(
                openmetrics=options.openmetrics, gzip=options.gzip, names=options.names
            )
            needs_slot = scrape.length > self._limits.small_bytes and request.method != "HEAD"
            if needs_slot and not self._take_slot(sending):
                return answer_text(
                    "Too many scrapes at once",
                    status=503,
                    headers={**headers, "Retry-After": str(_RETRY_AFTER_SECONDS)},
                )
            is_head = request.method == "HEAD"
            try:
                if scrape.length <= _ONE_WRITE_BYTES and not is_head:
                    _limit_buffer(request)
                    return _WholeScrape(request, scrape, _scrape_headers(scrape, options, headers))
                response = web.StreamResponse(headers=_scrape_headers(scrape, options, headers))
                response.content_length = scrape.length
                await response.prepare(request)
                if not is_head and await self._send(sending, response, scrape.pieces):
                    scrape.carried()
            finally:
                self._release_slot(sending)
        return response

    async def close(self) -> None:
        """Wait for open scrapes as long as other work yields to them, then abort the rest."""
        await self._scrape_priority.yield_to_scrapes()
        self._closing.set()

    def _take_slot(self, sending: _Sending) -> bool:
        """Take a slot, if necessary that of the slowest client. Return False if there is none."""
        if len(self._slots) >= self._limits.concurrent:
            slow = [each for each in self._slots if self._is_slow(each)]
            if not slow:
                return False
            self._drop(min(slow, key=lambda each: each.progressed_at), reason="slot")
        self._slots.append(sending)
        return True

    def _is_slow(self, sending: _Sending) -> bool:
        now, limits = self._clock.monotonic(), self._limits
        return (
            now - sending.progressed_at >= limits.stalled_seconds
            or now - sending.began_at >= limits.guaranteed_seconds
        )

    def _release_slot(self, sending: _Sending) -> None:
        if sending in self._slots:
            self._slots.remove(sending)

    def _drop(self, sending: _Sending, *, reason: str) -> None:
        self._release_slot(sending)
        transport = sending.request.transport
        if transport is not None:
            # Not close(), which waits until the client has read the buffered data.
            transport.abort()
            _log.info("scrape.dropped", remote=sending.request.remote, reason=reason)

    async def _send(
        self, sending: _Sending, response: web.StreamResponse, pieces: Iterator[bytes]
    ) -> bool:
        """Send `pieces`. Return whether the operating system has accepted all of them."""
        request = sending.request
        _limit_buffer(request)
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(self._drop_when_late(sending))
            is_whole = await self._write(sending, response, pieces)
            watchdog.cancel()
        return is_whole

    async def _drop_when_late(self, sending: _Sending) -> None:
        is_closing = await self._clock.wait(self._closing, self._limits.send_seconds)
        self._drop(sending, reason="closing" if is_closing else "late")

    async def _write(
        self, sending: _Sending, response: web.StreamResponse, pieces: Iterator[bytes]
    ) -> bool:
        try:
            for piece in pieces:
                await response.write(piece)
                sending.progressed_at = self._clock.monotonic()
                # write() alone does not yield to the event loop while the socket accepts data.
                await asyncio.sleep(0)
            await response.write_eof()
        except ConnectionError:
            _log.debug("scrape.abandoned")
            return False
        return True


def _options(request: web.BaseRequest) -> ScrapeOptions:
    return read_scrape_options(
        accept=",".join(request.headers.getall("Accept", [])),
        accept_encoding=",".join(request.headers.getall("Accept-Encoding", [])),
        names=request.query.getall("name[]", []),
    )


def _scrape_headers(scrape: Scrape, options: ScrapeOptions, headers: Headers) -> Headers:
    return {
        **headers,
        "Content-Type": scrape.content_type,
        "Vary": "Accept, Accept-Encoding",
        **({"Content-Encoding": "gzip"} if options.gzip else {}),
    }


def _limit_buffer(request: web.BaseRequest) -> None:
    """Make writes wait until the operating system has accepted the data.

    Neither a time limit nor the limit of scrapes covers data in the transport's buffer. The last
    piece under TLS is an exception: the transport below may buffer it, and cannot be queried.
    """
    if request.transport is not None:
        # Not 0: a TLS transport pauses at its limit even if its buffer is empty.
        request.transport.set_write_buffer_limits(high=1)


class _WholeScrape(web.Response):
    """A scrape that is sent in one write, with its head.

    The request handler sends it within the time limit of short responses.
    """

    def __init__(self, request: web.BaseRequest, scrape: Scrape, headers: Headers) -> None:
        super().__init__(body=b"".join(scrape.pieces), headers=headers)
        self._request = request
        self._carried = scrape.carried

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the scrape, and report it as carried unless the client has disconnected."""
        is_first = not self._eof_sent
        try:
            await super().write_eof(data)
        except ConnectionError:
            _log.debug("scrape.abandoned")
            raise
        # An aborted connection ends the wait without an error, and has no transport.
        if is_first and self._request.transport is not None:
            self._carried()


def read_scrape_options(
    *, accept: str, accept_encoding: str, names: Sequence[str]
) -> ScrapeOptions:
    """Return the options of the headers' values and of the values of `name[]`.

    Repeated headers are joined with commas. Blank names are ignored.
    """
    wanted = frozenset(filter(None, names))
    return ScrapeOptions(
        openmetrics=_prefers_openmetrics(accept),
        gzip=_takes_gzip(accept_encoding),
        names=wanted or None,
    )


def _prefers_openmetrics(accept: str) -> bool:
    """Return whether the client names OpenMetrics 1.0.0 and does not prefer text 0.0.4.

    A wildcard does not select OpenMetrics, because clients that can parse it name it. If the
    client accepts neither format, the response is text, which is more useful in a browser than 406.
    """
    choices = tuple(_choices(accept))
    openmetrics = _weight(choices, _OPENMETRICS, _OPENMETRICS_VERSIONS)
    if not openmetrics:
        return False
    text = _weight(choices, "text/plain", _TEXT_VERSIONS)
    if text is None:
        text = _weight(choices, "text/*", frozenset({""}))
    return text is None or openmetrics >= text


def _weight(choices: Sequence[_Choice], media_type: str, versions: frozenset[str]) -> float | None:
    """Return the highest weight of a type in one of these versions, or None if it is not named."""
    return max(
        (
            choice.weight
            for choice in choices
            if choice.value == media_type and choice.parameters.get("version", "") in versions
        ),
        default=None,
    )


def _takes_gzip(accept_encoding: str) -> bool:
    weights = {choice.value: choice.weight for choice in _choices(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _choices(header: str) -> Iterator[_Choice]:
    if len(header) > _LONGEST_HEADER:
        return
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.lower().split(";"))
        parameters = {
            name.strip(): given.strip().strip('"')
            for name, _, given in (part.partition("=") for part in rest)
        }
        weight = parameters.pop("q", "1")
        if value and _WEIGHT.fullmatch(weight):
            yield _Choice(value, parameters, float(weight))
