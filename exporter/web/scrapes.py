"""`/metrics`: sends what is rendered already; large scrapes to a bounded number of readers."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from exporter.clock import Clock
from exporter.exposition import Scrape
from exporter.scrape_priority import ScrapePriority
from exporter.web.responses import Headers, answer_text

_log = structlog.get_logger(__name__)

_RETRY_AFTER_SECONDS = 5
_WEIGHT = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_LONGEST_HEADER = 2048  # some eight times that of any Prometheus
_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_VERSIONS = frozenset({"", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


@dataclass(frozen=True, slots=True)
class ScrapeOptions:
    """How a scrape is to be answered; `names` is None where all families are wanted."""

    openmetrics: bool
    gzip: bool
    names: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept header, in lower case, without its weight."""

    value: str
    parameters: Mapping[str, str]
    weight: float


class ScrapeSource(Protocol):
    """Render one scrape from memory, at once."""

    def __call__(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Return a scrape of the families in `names`, or of all of them if it is None."""
        ...


@dataclass(frozen=True, slots=True)
class ScrapeLimits:
    """How many large scrapes may be sent at once, and for how long each.

    Eight is two redundant Prometheus servers, an agent and a few people with curl at the same
    moment; each holds on to the exposition it began with. A scrape of at most `small_bytes` needs
    no slot: socket buffers take most of it. Where all slots are taken, a reader loses its slot to
    a new scrape if it took nothing for `stalled_seconds`, or after `guaranteed_seconds`, which is
    the scrape timeout that Prometheus has by default. A minute is the longest that Prometheus
    usually waits.
    """

    concurrent: int = 8
    send_seconds: float = 60.0
    small_bytes: int = 262_144
    stalled_seconds: float = 2.0
    guaranteed_seconds: float = 10.0


@dataclass(slots=True, eq=False)
class _Sending:
    """One large scrape that is being sent; `progressed_at` is when a piece of it was taken last."""

    request: web.BaseRequest
    began_at: float
    progressed_at: float


class ScrapeEndpoint:
    """Answers scrapes, counting them at the gate."""

    def __init__(
        self, scrape: ScrapeSource, *, gate: ScrapePriority, clock: Clock, limits: ScrapeLimits
    ) -> None:
        self._scrape = scrape
        self._gate = gate
        self._clock = clock
        self._limits = limits
        self._closing = asyncio.Event()
        self._slots: list[_Sending] = []

    async def answer(self, request: web.BaseRequest, headers: Headers) -> web.StreamResponse:
        """Send one scrape whole, or 503 if it is large and too many large ones are being sent.

        A reader that hangs up or is too slow ends its own scrape and nothing else.
        """
        now = self._clock.monotonic()
        sending = _Sending(request, began_at=now, progressed_at=now)
        with self._gate.sending():
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
            try:
                response = _head(scrape, gzip=options.gzip, headers=headers)
                await response.prepare(request)
                is_head = request.method == "HEAD"
                if not is_head and await self._send(sending, response, scrape.pieces):
                    scrape.carried()
            finally:
                self._release_slot(sending)
        return response

    async def close(self) -> None:
        """Let open scrapes end for as long as work gives way to them, then drop the rest."""
        await self._gate.yield_to_scrapes()
        self._closing.set()

    def _take_slot(self, sending: _Sending) -> bool:
        """Give the scrape a slot, if need be that of the slowest reader; False if there is none."""
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
            # Not close(), which would wait for the reader to take what is already buffered.
            transport.abort()
            _log.info("scrape.dropped", remote=sending.request.remote, reason=reason)

    async def _send(
        self, sending: _Sending, response: web.StreamResponse, pieces: Iterator[bytes]
    ) -> bool:
        """Send `pieces`; return whether the system has taken all of them."""
        request = sending.request
        if request.transport is not None:
            # Waits until the system has taken a piece: what stays with us escapes the watchdog
            # and the bound. Under TLS the last piece does: once encrypted it may lie with the
            # transport below, which nobody can ask.
            # Not 0, where a TLS transport pauses at its very limit even if nothing is left.
            request.transport.set_write_buffer_limits(high=1)
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
                # write() alone does not give the loop back while the socket accepts.
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


def read_scrape_options(
    *, accept: str, accept_encoding: str, names: Sequence[str]
) -> ScrapeOptions:
    """Read both headers, several of one name joined by commas, and the values of `name[]`.

    A blank name is as if not sent.
    """
    wanted = frozenset(filter(None, names))
    return ScrapeOptions(
        openmetrics=_prefers_openmetrics(accept),
        gzip=_takes_gzip(accept_encoding),
        names=wanted or None,
    )


def _prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is asked for by name, and text 0.0.4 not rather.

    Nobody gets OpenMetrics by a wildcard: what can read it says so. Where neither is taken the
    answer is text nevertheless, because a person with a browser would rather see it than a 406.
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
    """The highest weight of a type in one of these versions, or None where it is not named."""
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
