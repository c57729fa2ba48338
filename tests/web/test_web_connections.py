"""How many connections there may be, and how long each may take."""

import asyncio
import resource
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.web import ConnectionTable, WebConfig, connection_limit
from exporter.web.connections import KEEP_ALIVE_SECONDS, MAX_CONNECTIONS, REQUEST_SECONDS
from tests.support.certificates import make_certificate
from tests.support.manual_clock import ManualClock
from tests.support.processes import until
from tests.support.web_server import Served, Sources, serve

REQUEST = b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Crowd:
    """A connection table, what it refused, and raw clients of its server."""

    def __init__(self, clock: Clock, *, limit: int = 100) -> None:
        self.refused: Counter[str] = Counter()
        self.table = ConnectionTable(
            limit=limit, clock=clock, on_refused=lambda reason: self.refused.update([reason])
        )

    async def count(self) -> int:
        """How many connections are open."""
        return self.table.count

    @asynccontextmanager
    async def client(
        self, served: Served, sent: bytes = b""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that has sent this much."""
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(sent)
        await writer.drain()
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """The first line of the answer to another request; None where the connection is closed."""
        try:
            writer.write(REQUEST)
            line = await reader.readline()
            if line:
                await reader.readuntil(b"Ready\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        return line or None


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closed the connection, waiting for that."""
    try:
        return await asyncio.wait_for(reader.read(), 10.0) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
async def test_a_connection_without_a_whole_request_is_closed(sent: bytes) -> None:
    """Each holds a descriptor; a thousand of them stop scrapes and polling."""
    clock = ManualClock()
    crowd = Crowd(clock)
    async with (
        serve(clock=clock, connections=crowd.table) as served,
        crowd.client(served, sent) as (reader, writer),
    ):
        await until(crowd.count, lambda count: count == 1)
        clock.advance(REQUEST_SECONDS - 1.5)
        writer.write(b"G" if not sent else b"x")  # slow, not silent: no excuse
        await asyncio.sleep(0)
        clock.advance(1.5)
        assert await ended(reader)
        assert crowd.refused == {"timeout": 1}
        assert crowd.table.count == 0


async def test_an_idle_connection_is_kept_between_scrapes() -> None:
    """Prometheus keeps its connection; the next scrape must not meet a closed one."""
    clock = ManualClock()
    crowd = Crowd(clock)
    async with (
        serve(clock=clock, connections=crowd.table) as served,
        crowd.client(served) as (reader, writer),
    ):
        assert await crowd.answered(reader, writer)
        clock.advance(KEEP_ALIVE_SECONDS - 1.0)
        assert await crowd.answered(reader, writer)
        clock.advance(KEEP_ALIVE_SECONDS)
        assert await ended(reader)
    assert not crowd.refused


async def test_a_further_request_that_comes_slowly_is_closed_as_well() -> None:
    """One answered request is no leave to hold the connection with half of another."""
    clock = ManualClock()
    crowd = Crowd(clock)
    async with (
        serve(clock=clock, connections=crowd.table) as served,
        crowd.client(served) as (reader, writer),
    ):
        assert await crowd.answered(reader, writer)
        (client,) = crowd.table._clients
        writer.write(b"GET /met")

        async def is_timed() -> bool:
            return client.deadline == clock.now + REQUEST_SECONDS

        await until(is_timed, bool)
        clock.advance(REQUEST_SECONDS)
        assert await ended(reader)
        assert crowd.refused == {"timeout": 1}


async def test_a_client_that_reads_no_short_answers_is_closed() -> None:
    """Pipelined requests fill the socket with answers that are never taken."""
    clock = ManualClock()
    crowd = Crowd(clock)
    async with serve(clock=clock, connections=crowd.table) as served:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", served.server.port))
            sending = asyncio.create_task(loop.sock_sendall(client, REQUEST * 200_000))

            async def is_stuck() -> bool:
                return any(each.writing_paused for each in served.server._connections.connections)

            await until(is_stuck, bool)
            clock.advance(REQUEST_SECONDS)
            await until(crowd.count, lambda count: count == 0)
            assert crowd.refused == {"timeout": 1}
            sending.cancel()
            await asyncio.wait([sending])


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_silent_tls_handshake_is_closed(new_loop: object, tmp_path: Path) -> None:
    """Nothing of it reaches aiohttp: no protocol of its own would ever end it."""
    made = make_certificate(tmp_path, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.cert, made.key)

    async def run() -> Counter[str]:
        clock = ManualClock()
        crowd = Crowd(clock)
        async with (
            serve(clock=clock, connections=crowd.table, config=WebConfig(tls=tls)) as served,
            crowd.client(served) as (reader, _),
        ):
            await until(crowd.count, lambda count: count == 1)
            await asyncio.sleep(0)
            clock.advance(REQUEST_SECONDS)
            assert await ended(reader)
        return crowd.refused

    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        assert runner.run(run()) == {"timeout": 1}


async def test_a_new_connection_takes_the_place_of_one_that_never_asked() -> None:
    """Silent connections must not keep a scraper out, nor cost Prometheus its own."""
    clock = ManualClock()
    crowd = Crowd(clock, limit=3)
    with capture_logs() as events:
        async with serve(clock=clock, connections=crowd.table) as served, AsyncExitStack() as stack:
            kept = await stack.enter_async_context(crowd.client(served))
            assert await crowd.answered(*kept)
            clock.advance(0.1)
            for _ in range(10):
                await stack.enter_async_context(crowd.client(served))
            last = await stack.enter_async_context(crowd.client(served))
            assert await crowd.answered(*last)
            assert await crowd.answered(*kept)
            assert crowd.table.count == 3
            assert crowd.refused == {"evicted": 9}
            clock.advance(5.0)
            await asyncio.sleep(0)
            clock.advance(10.0)
            await until(lambda: told(events, "connections.limit_left"), lambda count: count == 1)
    assert await told(events, "connections.limit_reached") == 1


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("asked", [False, True], ids=["silent", "idle"])
def test_evicted_and_late_connections_are_really_closed(*, new_loop: object, asked: bool) -> None:
    """A connection that is only forgotten keeps its descriptor, and no limit holds any more."""

    async def run() -> Counter[str]:
        clock = ManualClock()
        crowd = Crowd(clock, limit=1)
        async with (
            serve(clock=clock, connections=crowd.table) as served,
            crowd.client(served) as (evicted, evicted_writer),
        ):
            await until(crowd.count, lambda count: count == 1)
            assert not asked or await crowd.answered(evicted, evicted_writer)
            async with crowd.client(served) as (late, late_writer):
                assert await ended(evicted)
                assert not asked or await crowd.answered(late, late_writer)
                clock.advance(KEEP_ALIVE_SECONDS)
                assert await ended(late)
                assert crowd.table.count == 0
        return crowd.refused

    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        assert runner.run(run()) == ({"evicted": 1} if asked else {"evicted": 1, "timeout": 1})


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("asked", [False, True], ids=["new", "idle"])
def test_other_tls_settings_close_connections_that_wait(*, new_loop: object, asked: bool) -> None:
    """A kept connection that is neither answered nor closed costs Prometheus its next scrape."""

    async def run() -> None:
        clock = ManualClock()
        crowd = Crowd(clock)
        async with (
            serve(clock=clock, connections=crowd.table) as served,
            crowd.client(served) as (reader, writer),
        ):
            await until(crowd.count, lambda count: count == 1)
            assert not asked or await crowd.answered(reader, writer)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            await served.server.replace_config(WebConfig(tls=tls))
            assert await ended(reader)
            assert crowd.table.count == 0

    with asyncio.Runner(loop_factory=new_loop) as runner:  # type: ignore[arg-type]
        runner.run(run())


async def told(events: Sequence[Mapping[str, object]], name: str) -> int:
    """How often an event was logged."""
    return sum(event["event"] == name for event in events)


async def test_where_all_connections_are_busy_a_new_one_is_closed_at_once() -> None:
    """Then descriptors for polling stay free; a scraper sees the refusal and comes again."""
    clock = ManualClock()
    crowd = Crowd(clock, limit=2)
    async with (
        serve(Sources([bytes(262_144)] * 128), clock=clock, connections=crowd.table) as served,
        crowd.client(served, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        crowd.client(served, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ):
        await until(served.scrapes_in_progress, lambda count: count == 2)
        async with crowd.client(served) as (reader, _):
            assert await ended(reader)
        assert crowd.refused == {"limit": 1}


def test_descriptors_for_polling_stay_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each account needs eight at once; whatever the limit, a few connections are admitted."""

    def limited(soft: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    limited(128)
    assert [connection_limit(accounts=count) for count in (1, 5, 100)] == [80, 48, 8]
    limited(1_048_576)
    assert connection_limit(accounts=1) == MAX_CONNECTIONS
    limited(resource.RLIM_INFINITY)
    assert connection_limit(accounts=1) == MAX_CONNECTIONS
