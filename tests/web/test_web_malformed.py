"""What is not HTTP, or not what its headers say: answered or closed, never a traceback in the log."""

import asyncio
import logging
import os
import random
import subprocess
import sys
import zlib

import pytest
from structlog.testing import capture_logs

from exporter.web import WebConfig
from tests.support.web_server import serve, users

HEAD = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n"

MALFORMED = {
    "not gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "not deflate": HEAD + b"Content-Encoding: deflate\r\nContent-Length: 5\r\n\r\nhello",
    "not brotli": HEAD + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
    "unknown encoding": HEAD + b"Content-Encoding: rot13\r\nContent-Length: 5\r\n\r\nhello",
    "half of a gzip body": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
    + zlib.compress(b"x" * 99, wbits=31)[:12],
    "no chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "a chunk without its end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n",
    "a late malformed chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n\xff\xff\r\n",
    "a huge chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 400 + b"\r\n",
    "chunked and a length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "half a body": HEAD + b"Content-Length: 500\r\n\r\nhalf",
    "expects 100": HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    "expects something else": HEAD + b"Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
    "a websocket": GET
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x05hello",
    "HTTP/2 by upgrade": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\nmore",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "a huge header": GET + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
    "a huge request line": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "a thousand headers": GET + b"X: y\r\n" * 1000 + b"\r\n",
    "a header that is not text": GET + b"X: \xff\xfe\x00\r\n\r\n",
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "a path that is not text": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path with a bad escape": b"GET /%zz%ff?%= HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL with a bad port": b"GET http://localhost:99999999/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL with a bad host": b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a bad Host": b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "a second request that is malformed": GET + b"\r\nGARBAGE\r\n\r\n",
    "nothing but line ends": b"\r\n" * 500,
}


async def send(port: int, *sent: bytes) -> None:
    """Send each on a connection of its own, the body after the answer, and read to the end."""
    for each in sent:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head, end, body = each.partition(b"\r\n\r\n")
            writer.write(head + end)
            if body:
                # A body that comes after the answer is read by other code than one before it.
                await _round_trip(port)
                writer.write(body)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 20.0)
        except OSError:  # closed by the server, as it may be
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("config", [WebConfig(), WebConfig(users=users(alice="opensesame"))])
@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_no_request_writes_a_traceback(
    sent: bytes, config: WebConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody who reaches the port could fill the disk, and hide in it what matters."""
    with capture_logs() as events:
        async with serve(config=config) as served:
            await send(served.server.port, sent)
            assert (await served.client.get("/-/healthy")).status_code in {200, 401}
    assert {event["log_level"] for event in events} == {"debug"}
    assert [
        record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG
    ] == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "rot13"])
async def test_an_encoded_body_is_never_decoded(encoding: str) -> None:
    """No route reads a body, and decoding one is what fails, or takes memory, afterwards."""
    head = HEAD + f"Content-Encoding: {encoding}\r\n".encode()
    with capture_logs() as events:
        async with serve() as served:
            await send(served.server.port, head + b"Content-Length: 5\r\n\r\nhello")
    assert {event["event"] for event in events} == {"request.answered"}


@pytest.mark.slow
def test_no_request_writes_a_traceback_without_aiohttps_extensions() -> None:
    """Its parser in Python, used where no wheel fits, reports more while it skips a body."""
    these = f"{__file__}::{test_no_request_writes_a_traceback.__name__}"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", these],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_no_mutated_request_writes_a_traceback(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The list above holds what people thought of; a generator has no such limit."""
    generator = random.Random(seed)
    originals = list(MALFORMED.values())
    mutated = [_mutated(generator.choice(originals)[:3000], generator) for _ in range(250)]
    with capture_logs() as events:
        async with serve() as served:
            await send(served.server.port, *mutated)
            assert (await served.client.get("/-/healthy")).status_code == 200
    assert {event["log_level"] for event in events} == {"debug"}
    assert [
        record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG
    ] == []


async def _round_trip(port: int) -> None:
    """Let the server handle what was sent before, by asking for something else."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET + b"Connection: close\r\n\r\n")
    await reader.read()
    writer.close()


def _mutated(original: bytes, generator: random.Random) -> bytes:
    """The request with a few bytes changed, removed, doubled or put elsewhere."""
    data = bytearray(original)
    for _ in range(generator.randint(1, 6)):
        start = generator.randrange(len(data) + 1)
        end = min(len(data), start + generator.randint(1, 20))
        piece = bytes(data[start:end])
        match generator.randrange(4):
            case 0:
                data[start:end] = generator.randbytes(len(piece))
            case 1:
                del data[start:end]
            case 2:
                data[start:start] = piece * generator.randint(1, 50)
            case _:
                del data[start:end]
                where = generator.randrange(len(data) + 1)
                data[where:where] = piece
    return bytes(data)
