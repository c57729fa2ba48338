"""The API over HTTP, and the log of its requests."""

from collections import Counter, deque
from dataclasses import dataclass

import msgspec
from aiohttp import web

from exporter.clock import Clock
from exporter.simulator.api.messages import Call, Reply
from exporter.simulator.api.operations import AuthorizedCall
from exporter.simulator.api.service import Decision, Service
from exporter.simulator.http.responses import (
    REPLACING_FAULTS,
    HttpResponse,
    close_connection,
    fault_response,
    send,
    send_truncated,
)
from exporter.simulator.scenario.scenario import Fault, FaultKind
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.faults import RequestTarget
from exporter.simulator.world.generation import draw_ray
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.world import World

_KEPT = 10_000

API_ROOT = "/client/v4"


class LogEntry(msgspec.Struct, frozen=True):
    """A request and its outcome.

    `time` is its arrival in Unix seconds. `token` is the name of the token, None if it is unknown, and
    never its value. `status` is None if none was sent. `fault` is the kind of the fault that was
    applied, if any. `delivered` says whether the whole response was sent.
    """

    time: float
    token: str | None
    operation: str | None
    account: str | None
    status: int | None
    fault: str | None
    delivered: bool


class RequestCount(msgspec.Struct, frozen=True):
    """The number of requests of one kind since the start."""

    token: str | None
    operation: str | None
    status: int | None
    count: int


class RequestLog:
    """The latest 10,000 requests, and counts of all."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._counts: Counter[tuple[str | None, str | None, int | None]] = Counter()

    def add(self, entry: LogEntry) -> None:
        """Record a request after it has ended."""
        self._entries.append(entry)
        self._counts[entry.token, entry.operation, entry.status] += 1

    def entries(self) -> tuple[LogEntry, ...]:
        """Return the latest requests in the order they ended."""
        return tuple(self._entries)

    def counts(self) -> tuple[RequestCount, ...]:
        """Return the counts of all requests since the start."""
        return tuple(RequestCount(*key, count) for key, count in self._counts.items())


class Endpoint:
    """The handler of every path below the root of the API."""

    def __init__(self, world: World, driver: Driver, log: RequestLog, clock: Clock) -> None:
        self._world = world
        self._driver = driver
        self._service = Service(world)
        self._log = log
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request, and log it however it ends."""
        started = self._clock.time()
        call = await _read_call(request)
        decision = self._service.authorize(
            call, now_ns=self._now_ns(), monotonic=self._clock.monotonic()
        )
        exchange = _Exchange(request, decision)
        try:
            return await self._answer(exchange)
        except OSError:
            # The client has disconnected; the response cannot be sent.
            return web.Response(status=500)
        finally:
            self._log.add(exchange.log_entry(started))

    async def add_ray(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the CF-RAY header to a response of the API, including aiohttp's own errors."""
        if request.path.startswith(API_ROOT):
            response.headers["CF-RAY"] = draw_ray(self._world.ray_rng)

    async def _answer(self, exchange: "_Exchange") -> web.StreamResponse:
        decision = exchange.decision
        if decision.rejection is not None:
            return await exchange.send(decision.rejection)
        authorized = exchange.authorized
        fault = self._world.faults.take(_target(authorized), now=self._clock.monotonic())
        if fault is None:
            return await exchange.send(self._perform(authorized))
        exchange.fault = fault.kind
        return await self._answer_with_fault(exchange, fault)

    async def _answer_with_fault(self, exchange: "_Exchange", fault: Fault) -> web.StreamResponse:
        if fault.kind is FaultKind.DROP:
            return exchange.drop()
        if fault.kind in REPLACING_FAULTS:
            return await exchange.send_response(fault_response(fault))
        if fault.kind is FaultKind.LATENCY and fault.computed == "after":
            await self._clock.sleep(fault.seconds)
        reply = self._perform(exchange.authorized)
        if fault.kind is not FaultKind.LATENCY:
            return await exchange.send_truncated(reply, fault, self._clock)
        if fault.computed == "before":
            await self._clock.sleep(fault.seconds)
        return await exchange.send(reply)

    def _perform(self, authorized: AuthorizedCall) -> Reply:
        self._driver.catch_up()
        return self._service.perform(authorized, now_ns=self._now_ns())

    def _now_ns(self) -> int:
        return round(self._clock.time() * SECOND_NS)


@dataclass(slots=True)
class _Exchange:
    """A request and its outcome."""

    request: web.Request
    decision: Decision
    fault: FaultKind | None = None
    status: int | None = None
    is_delivered: bool = False

    @property
    def authorized(self) -> AuthorizedCall:
        assert self.decision.authorized is not None
        return self.decision.authorized

    async def send(self, reply: Reply) -> web.StreamResponse:
        """Send `reply` and mark it as delivered."""
        stream = await self.send_response(HttpResponse(reply.status, reply.body, reply.headers))
        reply.delivered()
        return stream

    async def send_response(self, response: HttpResponse) -> web.StreamResponse:
        """Send `response` with the headers of the quota."""
        self.status = response.status
        stream = await send(self.request, self._with_quota(response))
        self.is_delivered = True
        return stream

    async def send_truncated(self, reply: Reply, fault: Fault, clock: Clock) -> web.StreamResponse:
        """Send half of `reply`."""
        self.status = reply.status
        response = self._with_quota(HttpResponse(reply.status, reply.body, reply.headers))
        return await send_truncated(self.request, response, fault, clock)

    def drop(self) -> web.StreamResponse:
        """Close the connection without a response."""
        close_connection(self.request)
        return web.Response(status=500)

    def log_entry(self, started: float) -> LogEntry:
        """Return the log entry of this request."""
        token, route = self.decision.token, self.decision.route
        return LogEntry(
            time=started,
            token=token.name if token else None,
            operation=route.operation.value if route else None,
            account=route.account_id if route else None,
            status=self.status,
            fault=self.fault.value if self.fault else None,
            delivered=self.is_delivered,
        )

    def _with_quota(self, response: HttpResponse) -> HttpResponse:
        headers = {**self.decision.headers, **response.headers}
        return HttpResponse(response.status, response.body, headers, response.content_type)


async def _read_call(request: web.Request) -> Call:
    return Call(
        method=request.method,
        path=request.rel_url.raw_path.removeprefix(API_ROOT),
        query=request.rel_url.query,
        authorization=request.headers.get("Authorization"),
        body=await request.read(),
        auth_email=request.headers.get("X-Auth-Email"),
        auth_key=request.headers.get("X-Auth-Key"),
    )


def _target(authorized: AuthorizedCall) -> RequestTarget:
    traits = authorized.account.traits
    return RequestTarget(
        operation=authorized.route.operation.value,
        account=frozenset({traits.account_id, traits.name}),
        token=authorized.token.name,
    )
