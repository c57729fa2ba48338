"""What a fault does to an answer."""

from aiohttp import web

from exporter.clock import Clock
from exporter.simulator.api.envelope import failure
from exporter.simulator.api.problems import Problem, throttled
from exporter.simulator.http.sending import HTML, Break, Parcel, hang_up, send
from exporter.simulator.scenario.faults import Fault, FaultKind
from exporter.simulator.world.body import Body

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
