"""The API over HTTP, and the log of its requests."""

from collections import Counter, deque
from dataclasses import dataclass

import msgspec
from aiohttp import web

from exporter.clock import Clock
from exporter.simulator.api.messages import Call, Reply
from exporter.simulator.api.operations import Admitted
from exporter.simulator.api.service import Decision, Service
from exporter.simulator.http.responses import (
    REPLACING,
    Parcel,
    hang_up,
    replacement,
    send,
    send_broken,
)
from exporter.simulator.scenario.scenario import Fault, FaultKind
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.faults import Target
from exporter.simulator.world.generation import draw_ray
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.world import World

_KEPT = 10_000


class LogEntry(msgspec.Struct, frozen=True):
    """One request.

    `time` is when it came, in Unix seconds. `token` is a name, None where it was not known; it
    is never the token itself. `status` is None where no status went out; `fault` is the kind
    that struck it, if any. `delivered`: the whole answer went out.
    """

    time: float
    token: str | None
    operation: str | None
    account: str | None
    status: int | None
    fault: str | None
    delivered: bool


class RequestCount(msgspec.Struct, frozen=True):
    """How many requests of one kind there were since the start."""

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
        """Remember a request once it has ended."""
        self._entries.append(entry)
        self._counts[entry.token, entry.operation, entry.status] += 1

    def entries(self) -> tuple[LogEntry, ...]:
        """Return the latest requests, in the order they ended."""
        return tuple(self._entries)

    def counts(self) -> tuple[RequestCount, ...]:
        """Return the complete counts."""
        return tuple(RequestCount(*key, count) for key, count in self._counts.items())


API_ROOT = "/client/v4"


class Endpoint:
    """Everything below the API's root."""

    def __init__(self, world: World, driver: Driver, log: RequestLog, clock: Clock) -> None:
        self._world = world
        self._driver = driver
        self._service = Service(world)
        self._log = log
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, and log it once it has ended in whatever way."""
        started = self._clock.time()
        call = await _read_call(request)
        decision = self._service.admit(
            call, now_ns=self._now_ns(), monotonic=self._clock.monotonic()
        )
        exchange = _Exchange(request, decision)
        try:
            return await self._answer(exchange)
        except OSError:
            # The client has gone; nobody is left to be answered.
            return web.Response(status=500)
        finally:
            self._log.add(exchange.log_entry(started))

    async def add_ray(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the CF-RAY header to an answer of the API, also to one of aiohttp's own."""
        if request.path.startswith(API_ROOT):
            response.headers["CF-RAY"] = draw_ray(self._world.ray_rng)

    async def _answer(self, exchange: "_Exchange") -> web.StreamResponse:
        decision = exchange.decision
        if decision.refusal is not None:
            return await exchange.send(decision.refusal)
        admitted = exchange.admitted
        fault = self._world.faults.strike(_target(admitted), now=self._clock.monotonic())
        if fault is None:
            return await exchange.send(self._perform(admitted))
        exchange.fault = fault.kind
        return await self._answer_struck(exchange, fault)

    async def _answer_struck(self, exchange: "_Exchange", fault: Fault) -> web.StreamResponse:
        if fault.kind is FaultKind.DROP:
            return exchange.drop()
        if fault.kind in REPLACING:
            return await exchange.send_parcel(replacement(fault))
        if fault.kind is FaultKind.LATENCY and fault.computed == "after":
            await self._clock.sleep(fault.seconds)
        reply = self._perform(exchange.admitted)
        if fault.kind is not FaultKind.LATENCY:
            return await exchange.send_broken(reply, fault, self._clock)
        if fault.computed == "before":
            await self._clock.sleep(fault.seconds)
        return await exchange.send(reply)

    def _perform(self, admitted: Admitted) -> Reply:
        self._driver.catch_up()
        return self._service.perform(admitted, now_ns=self._now_ns())

    def _now_ns(self) -> int:
        return round(self._clock.time() * SECOND_NS)


@dataclass(slots=True)
class _Exchange:
    """One request and what becomes of it."""

    request: web.Request
    decision: Decision
    fault: FaultKind | None = None
    status: int | None = None
    is_delivered: bool = False

    @property
    def admitted(self) -> Admitted:
        assert self.decision.admitted is not None
        return self.decision.admitted

    async def send(self, reply: Reply) -> web.StreamResponse:
        """Answer with `reply`, which then has been delivered."""
        response = await self.send_parcel(Parcel(reply.status, reply.body, reply.headers))
        reply.delivered()
        return response

    async def send_parcel(self, parcel: Parcel) -> web.StreamResponse:
        """Answer with `parcel` and what there is to tell of the quota."""
        self.status = parcel.status
        response = await send(self.request, self._with_quota(parcel))
        self.is_delivered = True
        return response

    async def send_broken(self, reply: Reply, fault: Fault, clock: Clock) -> web.StreamResponse:
        """Answer with half of `reply`."""
        self.status = reply.status
        parcel = self._with_quota(Parcel(reply.status, reply.body, reply.headers))
        return await send_broken(self.request, parcel, fault, clock)

    def drop(self) -> web.StreamResponse:
        """Answer nothing."""
        hang_up(self.request)
        return web.Response(status=500)

    def log_entry(self, started: float) -> LogEntry:
        """Return what the log keeps."""
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

    def _with_quota(self, parcel: Parcel) -> Parcel:
        headers = {**self.decision.headers, **parcel.headers}
        return Parcel(parcel.status, parcel.body, headers, parcel.content_type)


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


def _target(admitted: Admitted) -> Target:
    traits = admitted.account.traits
    return Target(
        operation=admitted.route.operation.value,
        account=frozenset({traits.account_id, traits.name}),
        token=admitted.token.name,
    )
