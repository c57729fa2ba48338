"""Sending HTTP responses, whole or as a fault requires."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from exporter.clock import Clock
from exporter.simulator.api.messages import Problem, failure, throttled
from exporter.simulator.scenario.scenario import Fault, FaultKind
from exporter.simulator.world.bodies import Body

_BLOCK_BYTES = 256 * 1024
_THREAD_FROM_BYTES = 64 * 1024
"""Compressing a larger body would hold the event loop for too long, so a thread does it."""

_JSON = "application/json"
_HTML = "text/html; charset=UTF-8"
_EDGE_RATE_LIMIT = 1015
_TOO_MANY_REQUESTS = 429
_NO_ENVELOPE = b'["this", "is", "no", "envelope"]'
_NULL_RESULT = b'{"success":true,"errors":[],"messages":[],"result":null}'

REPLACING_FAULTS = frozenset(
    {
        FaultKind.THROTTLE,
        FaultKind.ERROR,
        FaultKind.HTML,
        FaultKind.MALFORMED,
        FaultKind.NULL_RESULT,
    }
)
"""Faults with a response of their own; the operation is not performed at all."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response to send."""

    status: int
    body: Body
    headers: Mapping[str, str]
    content_type: str = _JSON


async def send(
    request: web.Request, response: HttpResponse, *, is_truncated: bool = False
) -> web.StreamResponse:
    """Send `response`, with gzip if the client accepts it.

    A truncated response has the headers of the whole body and half of it; ending the connection
    is left to the caller. Raise OSError if the client has disconnected.
    """
    accepts_gzip = _accepts_gzip(request.headers.get("Accept-Encoding", ""))
    data = await _encode(response.body, accepts_gzip=accepts_gzip)
    stream = web.StreamResponse(status=response.status, headers=dict(response.headers))
    stream.headers["Content-Type"] = response.content_type
    stream.headers["Server"] = "cloudflare-simulator"
    if accepts_gzip:
        stream.headers["Content-Encoding"] = "gzip"
    stream.content_length = len(data)
    await stream.prepare(request)
    if is_truncated:
        await _write(stream, data[: len(data) // 2])
        return stream
    await _write(stream, data)
    await stream.write_eof()
    return stream


async def send_truncated(
    request: web.Request, response: HttpResponse, fault: Fault, clock: Clock
) -> web.StreamResponse:
    """Send half of `response`, wait if the fault is a stall, and close the connection."""
    stream = await send(request, response, is_truncated=True)
    if fault.kind is FaultKind.STALL:
        await clock.sleep(fault.seconds)
    close_connection(request)
    return stream


def close_connection(request: web.Request) -> None:
    """Close the connection once the bytes already written have been sent."""
    if request.transport is not None:
        request.transport.close()


def fault_response(fault: Fault) -> HttpResponse:
    """Return the response of a fault whose kind is one of `REPLACING_FAULTS`."""
    if fault.kind is FaultKind.THROTTLE:
        headers = {"Retry-After": str(fault.retry_after)}
        return HttpResponse(_TOO_MANY_REQUESTS, failure(throttled().problems), headers)
    if fault.kind is FaultKind.ERROR:
        problem = Problem(10001, "Simulated error")
        return HttpResponse(fault.status or 500, failure((problem,)), {})
    if fault.kind is FaultKind.HTML:
        return _edge_page(fault.status or 502)
    body = _NO_ENVELOPE if fault.kind is FaultKind.MALFORMED else _NULL_RESULT
    return HttpResponse(200, Body.of(body), {})


def _edge_page(status: int) -> HttpResponse:
    """Return an error page of Cloudflare's edge; its error 1015 has the HTTP status 429."""
    page = f"<!DOCTYPE html>\n<html><head><title>Error {status}</title></head>\n"
    page += f"<body><h1>Error {status}</h1><p>Cloudflare (simulated)</p></body></html>\n"
    headers = {"Retry-After": "30"} if status == _EDGE_RATE_LIMIT else {}
    http_status = _TOO_MANY_REQUESTS if status == _EDGE_RATE_LIMIT else status
    return HttpResponse(http_status, Body.of(page.encode()), headers, content_type=_HTML)


async def _encode(body: Body, *, accepts_gzip: bool) -> bytes:
    encode = body.gzipped if accepts_gzip else body.plain
    if body.size < _THREAD_FROM_BYTES:
        return encode()
    return await asyncio.to_thread(encode)


async def _write(stream: web.StreamResponse, data: bytes) -> None:
    """Write in blocks and yield to the event loop after each, which a write alone does not."""
    for start in range(0, len(data), _BLOCK_BYTES):
        await stream.write(data[start : start + _BLOCK_BYTES])
        await asyncio.sleep(0)


def _accepts_gzip(accept_encoding: str) -> bool:
    for item in accept_encoding.lower().split(","):
        coding, _, quality = item.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
