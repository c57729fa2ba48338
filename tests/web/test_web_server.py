import asyncio
import socket

import httpx
import pytest
import uvloop

from exporter.clock import SystemClock
from exporter.errors import ListenError
from exporter.scrape_priority import ScrapePriority
from exporter.settings import ListenAddress
from exporter.web import WebConfig, run_web
from tests.support.clock import LoopClock, in_fake_time
from tests.support.processes import free_port, until
from tests.support.web_server import Sources, serve, users


async def status_at(listen: ListenAddress, *urls: str) -> list[int]:
    """Serve at `listen` and ask at each URL, where PORT stands for the port."""
    clock = SystemClock()
    async with (
        run_web(
            Sources(), listen=listen, clock=clock, scrape_priority=ScrapePriority(clock)
        ) as server,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        found = [url.replace("PORT", str(server.port)) for url in (*urls, server.url)]
        return [(await client.get(url)).status_code for url in found]


async def test_every_interface_is_listened_on_where_no_host_is_given() -> None:
    """`:10876` in a container must be reachable from outside it."""
    statuses = await status_at(ListenAddress("", 0), "http://127.0.0.1:PORT")
    assert statuses == [200, 200]


async def test_a_name_is_listened_on_by_all_its_addresses() -> None:
    """Localhost is often two; curl may try either first."""
    statuses = await status_at(ListenAddress("localhost", 0), "http://127.0.0.1:PORT")
    assert statuses == [200, 200]


async def test_the_port_asked_for_is_the_port_there_is() -> None:
    """And it can be had again at once: a restart must not wait for old connections."""
    port = free_port()
    for _ in range(2):
        listen = ListenAddress("127.0.0.1", port)
        assert await status_at(listen, f"http://127.0.0.1:{port}") == [200, 200]


async def test_a_taken_port_is_the_operator_s_to_change() -> None:
    """Two exporters on one machine; the message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in"
        ):
            await status_at(ListenAddress("127.0.0.1", port))


async def test_a_host_that_is_not_ours_is_the_operator_s_to_change() -> None:
    """192.0.2.0/24 is for documentation (RFC 5737): nobody has it."""
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        await status_at(ListenAddress("192.0.2.1", 0))


async def test_nobody_answers_after_the_end() -> None:
    """A port left open would answer with old data, or hang."""
    async with serve() as served:
        url = served.server.url
        await served.client.get("/metrics")
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


@in_fake_time
async def test_the_end_comes_within_seconds_even_with_a_scrape_open() -> None:
    """A supervisor kills what does not end; a commit in flight would be killed with it."""
    clock = LoopClock()
    with socket.socket() as client:
        async with serve(Sources([bytes(262_144)] * 128), clock=clock) as served:
            client.connect(("127.0.0.1", served.server.port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(served.scrapes_in_progress, bool)
            stopped_at = clock.monotonic()
        assert clock.monotonic() - stopped_at < 6.0
        assert served.scrape_priority.in_progress == 0


async def test_new_users_count_without_a_restart() -> None:
    """And who was let in before is asked again: what was remembered is forgotten."""
    alice = ("alice", "opensesame")
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        assert (await served.client.get("/metrics", auth=alice)).status_code == 200
        await served.server.replace_config(WebConfig(users=users(bob="two")))
        assert (await served.client.get("/metrics", auth=alice)).status_code == 401
        assert (await served.client.get("/metrics", auth=("bob", "two"))).status_code == 200


async def test_a_header_of_the_web_config_replaces_ours() -> None:
    """And an empty one is not sent; who we are stays."""
    headers = {
        "X-Content-Type-Options": "",
        "Content-Security-Policy": "default-src 'self'",
        "Strict-Transport-Security": "max-age=60",
    }
    async with serve(config=WebConfig(headers=headers)) as served:
        answered = (await served.client.get("/metrics")).headers
    assert answered["Content-Security-Policy"] == "default-src 'self'"
    assert answered["Strict-Transport-Security"] == "max-age=60"
    assert "X-Content-Type-Options" not in answered
    assert answered["Server"] == "cloudflare-risk-exporter"


def test_uvloop_serves_and_replaces_as_well() -> None:
    """It is the loop in production wherever it installs."""

    async def run() -> list[int]:
        async with serve() as served:
            before = await served.client.get("/metrics")
            await served.server.replace_config(WebConfig(users=users(alice="one")))
            after = await served.client.get("/metrics")
            return [before.status_code, after.status_code]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == [200, 401]
