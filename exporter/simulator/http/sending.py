"""Writing a reply to a connection, whole or broken as a fault wants it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from exporter.simulator.world.body import Body

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
