"""Sending HTTP responses, whole or as a fault requires."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from exporter.clock import Clock
from exporter.simulator.api.messages import Problem, failure, throttled
from exporter.simulator.scenario.scenario import Fault, FaultKind
from exporter.simulator.world.bodies import Body

_BLOCK_BYTES = 256 * 1024
_THREAD_FROM_BYTES = 64 * 1024
"""Packing more than this would hold the event loop for too long."""

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Break(Enum):
    """Where an answer breaks off."""

    NEVER = "never"
    WITHIN_BODY = "within_body"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What to put on the wire."""

    status: int
    body: Body
    headers: Mapping[str, str]
    content_type: str = JSON


async def send(
    request: web.Request, parcel: Parcel, *, break_off: Break = Break.NEVER
) -> web.StreamResponse:
    """Answer with `parcel`, packed where the client takes gzip.

    Broken off, the headers promise the whole body and half of it is sent; the rest is up to
    the caller. Raises OSError where the client has gone.
    """
    takes_gzip = _takes_gzip(request.headers.get("Accept-Encoding", ""))
    data = await _render(parcel.body, takes_gzip=takes_gzip)
    response = web.StreamResponse(status=parcel.status, headers=dict(parcel.headers))
    response.headers["Content-Type"] = parcel.content_type
    response.headers["Server"] = "cloudflare-simulator"
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.content_length = len(data)
    await response.prepare(request)
    if break_off is Break.WITHIN_BODY:
        await _write(response, data[: len(data) // 2])
        return response
    await _write(response, data)
    await response.write_eof()
    return response


def hang_up(request: web.Request) -> None:
    """End the connection once what was written has gone out, whatever else was promised."""
    if request.transport is not None:
        request.transport.close()


async def _render(body: Body, *, takes_gzip: bool) -> bytes:
    render = body.gzipped if takes_gzip else body.plain
    if body.size < _THREAD_FROM_BYTES:
        return render()
    return await asyncio.to_thread(render)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    """Write in blocks, giving the loop back after each: a write alone does not."""
    for start in range(0, len(data), _BLOCK_BYTES):
        await response.write(data[start : start + _BLOCK_BYTES])
        await asyncio.sleep(0)


def _takes_gzip(accept_encoding: str) -> bool:
    for item in accept_encoding.lower().split(","):
        coding, _, quality = item.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


_EDGE_RATE_LIMIT = 1015
_TOO_MANY = 429
_NO_ENVELOPE = b'["this", "is", "no", "envelope"]'
_NULL_RESULT = b'{"success":true,"errors":[],"messages":[],"result":null}'

REPLACING = frozenset(
    {
        FaultKind.THROTTLE,
        FaultKind.ERROR,
        FaultKind.HTML,
        FaultKind.MALFORMED,
        FaultKind.NULL_RESULT,
    }
)
"""The faults that answer something else; the operation is not performed at all."""


def replacement(fault: Fault) -> Parcel:
    """What a fault of a `REPLACING` kind answers."""
    if fault.kind is FaultKind.THROTTLE:
        headers = {"Retry-After": str(fault.retry_after)}
        return Parcel(_TOO_MANY, failure(throttled().problems), headers)
    if fault.kind is FaultKind.ERROR:
        problem = Problem(10001, "An error was asked for")
        return Parcel(fault.status or 500, failure((problem,)), {})
    if fault.kind is FaultKind.HTML:
        return _edge_page(fault.status or 502)
    body = _NO_ENVELOPE if fault.kind is FaultKind.MALFORMED else _NULL_RESULT
    return Parcel(200, Body.of(body), {})


async def send_broken(
    request: web.Request, parcel: Parcel, fault: Fault, clock: Clock
) -> web.StreamResponse:
    """Answer with half of `parcel`, wait if the fault is a stall, and hang up."""
    response = await send(request, parcel, break_off=Break.WITHIN_BODY)
    if fault.kind is FaultKind.STALL:
        await clock.sleep(fault.seconds)
    hang_up(request)
    return response


def _edge_page(status: int) -> Parcel:
    """Return a page such as the edge shows people; 1015 is its own word for 429."""
    page = f"<!DOCTYPE html>\n<html><head><title>Error {status}</title></head>\n"
    page += f"<body><h1>Error {status}</h1><p>Cloudflare (simulated)</p></body></html>\n"
    headers = {"Retry-After": "30"} if status == _EDGE_RATE_LIMIT else {}
    sent = _TOO_MANY if status == _EDGE_RATE_LIMIT else status
    return Parcel(sent, Body.of(page.encode()), headers, content_type=HTML)
