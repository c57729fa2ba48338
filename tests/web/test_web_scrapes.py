import asyncio
import gzip
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.exposition import Exposition, Scrape
from exporter.risk.model import (
    AccountGauges,
    AccountSnapshot,
    Behavior,
    EventCount,
    Exemplar,
    RiskLevel,
    UserRow,
)
from exporter.web import ScrapeLimits
from tests.support.manual_clock import ManualClock
from tests.support.processes import until
from tests.support.programs import require_program
from tests.support.prometheus import Target, run_prometheus, scrape_config
from tests.support.snapshots import snapshot_of, user_row
from tests.support.web_server import Served, Sources, serve, serve_exposition

MORE_THAN_SOCKETS_HOLD = [bytes(262_144)] * 128
"""32 MiB: no two socket buffers of the system take that much unread."""

PLAIN = {"Accept-Encoding": "identity"}


@asynccontextmanager
async def stuck_reader(served: Served) -> AsyncIterator[socket.socket]:
    """A client that has asked for a scrape and reads nothing of it."""
    loop = asyncio.get_running_loop()
    before = served.scrape_priority.in_progress
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", served.server.port))
        await loop.sock_sendall(client, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await settled(served, before + 1)
        yield client


async def settled(served: Served, scrapes: int) -> None:
    """Wait until this many scrapes are being sent."""
    await until(served.scrapes_in_progress, lambda count: count == scrapes)


async def read_all(client: socket.socket) -> int:
    """How many bytes come until the connection is ended, well or badly."""
    loop = asyncio.get_running_loop()
    count = 0
    try:
        while part := await loop.sock_recv(client, 1 << 20):
            count += len(part)
    except ConnectionResetError:
        pass
    return count


async def test_a_slow_client_is_dropped_at_the_time_limit() -> None:
    """A client that never reads would otherwise keep its slot."""
    clock = ManualClock()
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD), clock=clock) as served,
        stuck_reader(served) as client,
    ):
        clock.advance(60.0)
        await settled(served, 0)
        assert 0 < await read_all(client) < 128 * 262_144


async def test_a_client_within_the_time_limit_gets_the_whole_scrape() -> None:
    """The watchdog ends with the scrape."""
    clock = ManualClock()
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD), clock=clock) as served,
        stuck_reader(served) as client,
    ):
        clock.advance(59.9)
        reading = asyncio.create_task(read_all(client))
        await settled(served, 0)
        clock.advance(0.2)
        assert (await served.client.head("/metrics")).status_code == 200
        reading.cancel()


async def test_a_scrape_is_sent_when_nothing_of_it_is_left_with_us() -> None:
    """Or a reader who stops just before the end would keep its buffer, and no watch would run."""
    loop = asyncio.get_running_loop()
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD)) as served,
        stuck_reader(served) as client,
    ):
        while served.scrape_priority.in_progress:
            await loop.sock_recv(client, 65_536)
            await asyncio.sleep(0)
        (connection,) = served.server._connections.connections
        assert connection.transport is not None
        assert connection.transport.get_write_buffer_size() == 0


async def test_a_scrape_beyond_the_limit_gets_503_and_retry_after() -> None:
    """Each scrape in progress costs memory."""
    limits = ScrapeLimits(concurrent=2)
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD), limits=limits) as served,
        stuck_reader(served),
        stuck_reader(served),
    ):
        answer = await served.client.get("/metrics", headers=PLAIN)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def test_eight_scrapes_at_once_are_answered_and_a_ninth_is_not() -> None:
    """Two servers, an agent and some people fit; what that costs is known beforehand."""
    async with serve(Sources(MORE_THAN_SOCKETS_HOLD)) as served, AsyncExitStack() as readers:
        for _ in range(8):
            await readers.enter_async_context(stuck_reader(served))
        assert (await served.client.get("/metrics", headers=PLAIN)).status_code == 503


async def test_a_small_scrape_needs_no_slot() -> None:
    """Eight slow readers must not keep the scrape of a small account, or a compressed one, out."""
    limits = ScrapeLimits(concurrent=1)
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD), clock=ManualClock(), limits=limits) as served,
        stuck_reader(served),
    ):
        assert (await served.client.get("/metrics", headers=PLAIN)).status_code == 503
        small = await served.client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        assert small.status_code == 200
        assert (await served.client.head("/metrics", headers=PLAIN)).status_code == 200


async def test_a_reader_that_takes_nothing_loses_its_slot_to_a_new_scrape() -> None:
    """One slot for each new scrape, not all of them."""
    clock = ManualClock()
    async with (
        serve(
            Sources(MORE_THAN_SOCKETS_HOLD), clock=clock, limits=ScrapeLimits(concurrent=2)
        ) as served,
        stuck_reader(served) as first,
    ):
        clock.advance(0.1)
        async with stuck_reader(served):
            clock.advance(1.95)
            assert (await served.client.get("/metrics", headers=PLAIN)).status_code == 200
            assert await read_all(first) < 128 * 262_144
            assert served.scrape_priority.in_progress == 1


async def test_a_reader_that_goes_on_keeps_its_slot_for_ten_seconds() -> None:
    """Far away is not hostile; after Prometheus's own scrape timeout others go first."""
    clock = ManualClock()
    loop = asyncio.get_running_loop()
    async with (
        serve(
            Sources([bytes(262_144)] * 1024), clock=clock, limits=ScrapeLimits(concurrent=1)
        ) as served,
        stuck_reader(served) as client,
    ):
        for _ in range(6):
            clock.advance(1.6)
            (sending,) = served.server._routes._scrapes._slots
            while sending.progressed_at < clock.now:
                await loop.sock_recv(client, 1 << 20)
                await asyncio.sleep(0)
            assert (await served.client.get("/metrics", headers=PLAIN)).status_code == 503
        clock.advance(1.0)
        assert (await served.client.get("/metrics", headers=PLAIN)).status_code == 200


async def test_other_routes_are_answered_while_scrapes_are_at_their_bound() -> None:
    """A crowd of scrapers must not look like a dead exporter."""
    limits = ScrapeLimits(concurrent=1)
    async with (
        serve(Sources(MORE_THAN_SOCKETS_HOLD), limits=limits) as served,
        stuck_reader(served),
    ):
        assert (await served.client.get("/-/healthy")).status_code == 200


async def test_a_place_is_free_again_after_a_scrape() -> None:
    """One after the other is not at once."""
    async with serve(limits=ScrapeLimits(concurrent=1)) as served:
        for _ in range(3):
            assert (await served.client.get("/metrics")).status_code == 200


async def test_a_client_that_disconnects_is_not_an_error() -> None:
    """Prometheus disconnects when its scrape timeout has passed."""
    with capture_logs() as events:
        async with serve(Sources(MORE_THAN_SOCKETS_HOLD)) as served:
            async with stuck_reader(served):
                pass
            await settled(served, 0)
    assert {event["log_level"] for event in events} == {"debug"}
    assert "scrape.abandoned" in {event["event"] for event in events}


class Counted(Sources):
    """Counts the scrapes that were begun, and those that were reported as sent whole."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__(pieces)
        self.begun = self.carried = 0

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Return a scrape that is counted when it was sent."""
        self.begun += 1
        scrape = super().scrape(openmetrics=openmetrics, gzip=gzip, names=names)
        return replace(scrape, carried=self._carry)

    def _carry(self) -> None:
        self.carried += 1


async def test_a_scrape_that_was_sent_whole_is_reported() -> None:
    """New counters stay at 0 until then."""
    sources = Counted([b"x"] * 5)
    async with serve(sources) as served:
        await served.client.get("/metrics")
    assert (sources.begun, sources.carried) == (1, 1)


async def test_a_head_request_has_carried_nothing() -> None:
    """Its answer has no samples."""
    sources = Counted([b"x"] * 5)
    async with serve(sources) as served:
        await served.client.head("/metrics")
    assert (sources.begun, sources.carried) == (1, 0)


async def test_an_aborted_scrape_has_carried_nothing() -> None:
    """Prometheus throws the beginning of a scrape away."""
    sources = Counted(MORE_THAN_SOCKETS_HOLD)
    async with serve(sources) as served:
        async with stuck_reader(served):
            pass
        await settled(served, 0)
    assert (sources.begun, sources.carried) == (1, 0)


async def test_small_scrapes_that_are_not_read_are_not_carried_and_end_at_the_time_limit() -> None:
    """Otherwise the answers to one client's requests would gather in memory."""
    sources, clock = Counted([bytes(60_000)]), ManualClock()
    loop = asyncio.get_running_loop()

    async def is_paused() -> bool:
        return any(one._paused for one in served.server._connections.connections)

    async def count_connections() -> int:
        return served.server._table.count

    async with serve(sources, clock=clock) as served:
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, ("127.0.0.1", served.server.port))
            await loop.sock_sendall(
                client, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 560
            )
            await until(is_paused, bool)
            for _ in range(10):
                await asyncio.sleep(0)
            assert sources.carried == sources.begun - 1
            clock.advance(10.0)
            await until(count_connections, lambda count: count == 0)
    assert sources.carried == sources.begun - 1


async def test_the_event_loop_runs_between_pieces() -> None:
    """A scrape that is taken as fast as it is sent must not hold the loop until its end."""
    turns = 0
    seen: list[int] = []

    def watched(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            seen.append(turns)
            yield piece

    class Watched(Sources):
        def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
            scrape = super().scrape(openmetrics=openmetrics, gzip=gzip, names=names)
            return replace(scrape, pieces=watched(scrape.pieces))

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with serve(Watched([bytes(65_536)] * 5)) as served:
        counting = asyncio.create_task(count())
        await served.client.get("/metrics", headers={"Accept-Encoding": "identity"})
        counting.cancel()
    assert len(set(seen)) == 5


async def many_users() -> Exposition:
    """A thousand users: several pieces."""
    exposition = Exposition()
    rows = [user_row(f"user-{number}") for number in range(1000)]
    await exposition.publish(snapshot_of(*rows), changed=None)
    return exposition


@pytest.mark.slow
async def test_curl_reads_the_same_plain_and_compressed(tmp_path: Path) -> None:
    """Curl stops after the first gzip member: there must be one."""
    curl = require_program("curl")

    def fetch(url: str, *flags: str) -> bytes:
        done = subprocess.run(
            [curl, "--silent", "--show-error", "--fail", "--noproxy", "*", *flags, url],
            capture_output=True,
            check=True,
        )
        return done.stdout

    async with serve_exposition(await many_users()) as served:
        url = f"{served.server.url}/metrics"
        plain = await asyncio.to_thread(fetch, url)
        compressed = await asyncio.to_thread(fetch, url, "--compressed")
        raw = await asyncio.to_thread(fetch, url, "--header", "Accept-Encoding: gzip")
    assert plain.count(b"\n") > 4000
    assert compressed == plain
    assert gzip.decompress(raw) == plain


def is_up(targets: list[Target]) -> bool:
    """Whether the only target was scraped without complaint."""
    return [(target.health, target.last_error) for target in targets] == [("up", "")]


@pytest.mark.slow
async def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    """The one client that must be right."""
    async with (
        serve_exposition(await many_users()) as served,
        run_prometheus(tmp_path, scrape_config(served.server.url)) as prometheus,
    ):
        await until(prometheus.targets, is_up)
        await prometheus.until("count(cloudflare_zt_risk_user_level) == 1000")


HOSTILE = (
    "zero\0",
    'quote"',
    "'quote",
    "backslash\\",
    "line\nbreak",
    "return\r",
    "} 1 # {",
    "lone\ud800",
    "separator\u2028",
    "\ufeffmark",
    "😀",
    "",
)


def hostile_account() -> AccountSnapshot:
    """An account in which all texts that others may choose are hostile ones."""
    behaviors = tuple(
        Behavior(text, text, text, enabled=True, level=RiskLevel.LOW) for text in HOSTILE
    )
    events = tuple(
        EventCount(text, RiskLevel.LOW, 1, 1.0, Exemplar(text, 1_700_000_000.5)) for text in HOSTILE
    )
    rows = {
        text: UserRow(text, text, text, RiskLevel.LOW, 1, 1_700_000_000.5, None, events)
        for text in HOSTILE
    }
    gauges = AccountGauges({RiskLevel.LOW: len(rows)}, behaviors)
    return AccountSnapshot("acme", "1", up=True, gauges=gauges, users=rows, events=events)


@pytest.mark.slow
async def test_a_real_prometheus_scrapes_hostile_names(tmp_path: Path) -> None:
    """One user's name, or the id of one event, must not make the whole scrape fail."""
    exposition = Exposition()
    await exposition.publish(hostile_account(), changed=None)
    async with (
        serve_exposition(exposition) as served,
        run_prometheus(tmp_path, scrape_config(served.server.url)) as prometheus,
    ):
        await until(prometheus.targets, is_up)

        (as_openmetrics,) = await prometheus.query("count(cloudflare_zt_risk_events_created)")
        users = await prometheus.query("cloudflare_zt_risk_user_info")
        behaviors = await prometheus.query("cloudflare_zt_risk_behavior_info")

    readable = {text.encode(errors="replace").decode() for text in HOSTILE}
    assert as_openmetrics.value == len(HOSTILE)
    assert {row.labels.get("name", "") for row in users} == readable
    assert {row.labels.get("description", "") for row in behaviors} == readable
