"""Real readers understand what a scrape sends."""

import asyncio
import gzip
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from exporter.exposition import Exposition
from tests.support.programs import require_program
from tests.support.snapshots import full_account, snapshot_of, user_row


@pytest.fixture
async def exposition() -> Exposition:
    """Enough users for a few chunks, and one name that needs escaping."""
    ready = Exposition(chunk_users=10)
    rows = [user_row(f"ü\\n{number}") for number in range(100)]
    await ready.publish(snapshot_of(*rows), changed=None)
    return ready


def body_of(
    exposition: Exposition,
    *,
    compressed: bool,
    openmetrics: bool = True,
    telemetry: bytes = b"own 1\n",
) -> bytes:
    """A whole scrape."""
    scrape = exposition.scrape(
        openmetrics=openmetrics, gzip=compressed, names=None, telemetry=telemetry
    )
    return b"".join(scrape.pieces)


async def output_of(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """All that a program said, complaints included."""
    process = await asyncio.create_subprocess_exec(
        require_program(program),
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate(stdin)
    return said


@pytest.fixture
async def url(exposition: Exposition) -> AsyncIterator[str]:
    """A server that sends one piece after another and always compresses."""

    async def send(request: web.Request) -> web.StreamResponse:
        scrape = exposition.scrape(openmetrics=True, gzip=True, names=None, telemetry=b"own 1\n")
        response = web.StreamResponse(
            headers={"Content-Type": scrape.content_type, "Content-Encoding": "gzip"}
        )
        response.content_length = scrape.length
        await response.prepare(request)
        for piece in scrape.pieces:
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_get("/metrics", send)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/metrics"
    await runner.cleanup()


def test_pythons_gzip_reads_it(exposition: Exposition) -> None:
    """It checks the combined checksum and length."""
    compressed = body_of(exposition, compressed=True)

    assert gzip.decompress(compressed) == body_of(exposition, compressed=False)


async def test_httpx_reads_it(exposition: Exposition, url: str) -> None:
    """It reads one gzip member and leaves what follows."""
    async with httpx.AsyncClient() as client:
        response = await client.get(url)

    assert response.content == body_of(exposition, compressed=False)


@pytest.mark.slow
async def test_curl_reads_it(exposition: Exposition, url: str) -> None:
    """It reads one gzip member and leaves what follows."""
    text = await output_of("curl", "--silent", "--show-error", "--compressed", url)

    assert text == body_of(exposition, compressed=False)


@pytest.mark.slow
async def test_gzip_reads_it(exposition: Exposition) -> None:
    """The program refuses wrong checksums, wrong lengths and anything after the end."""
    text = await output_of("gzip", "-d", stdin=body_of(exposition, compressed=True))

    assert text == body_of(exposition, compressed=False)


@pytest.mark.slow
async def test_promtool_has_nothing_to_say() -> None:
    """It knows the conventions for names, types and HELP."""
    exposition = Exposition()
    await exposition.publish(full_account(), changed=None)
    text = body_of(exposition, compressed=False, openmetrics=False, telemetry=b"")

    said = await output_of("promtool", "check", "metrics", stdin=text)

    assert said == b""
