"""A server on loopback that says exactly the bytes it was told to say, well-formed or not."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.support.certificates import Certificate


class Ending(Enum):
    """What follows an answer's bytes."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    STALL = auto()


@dataclass(frozen=True)
class Reply:
    """The bytes of one answer and what follows them."""

    data: bytes
    ending: Ending = Ending.KEEP


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    line: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class RawApi:
    """Answers the n-th request with the n-th reply, and the last one for ever."""

    replies: Sequence[Reply]
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side hangs up."""
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer_one(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.received.append(await _read_request(reader))
        self.asked.set()
        reply = self.replies[min(len(self.received), len(self.replies)) - 1]
        writer.write(reply.data)
        await writer.drain()
        if reply.ending is Ending.STALL:
            await self.closing.wait()
        if reply.ending is Ending.RESET:
            _reset_on_close(writer)
        return reply.ending is Ending.KEEP


def server_tls(certificate: Certificate) -> ssl.SSLContext:
    """Return the TLS of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@asynccontextmanager
async def raw_api(
    *replies: Reply | bytes, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawApi]:
    """Serve these replies on a free port of loopback for as long as the block runs."""
    api = RawApi([reply if isinstance(reply, Reply) else Reply(reply) for reply in replies])
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/client/v4"
    try:
        yield api
    finally:
        api.closing.set()
        server.close()


def http(
    body: bytes | str = b"",
    *,
    status: str = "200 OK",
    headers: Mapping[str, str] | None = None,
    compressed: bool = False,
    length: int | None = None,
) -> bytes:
    """Write an HTTP answer; `length` is for lying about it."""
    raw = body.encode() if isinstance(body, str) else body
    raw = gzip.compress(raw) if compressed else raw
    fields = {"Content-Length": str(len(raw) if length is None else length), **(headers or {})}
    if compressed:
        fields["Content-Encoding"] = "gzip"
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + raw


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(line, headers, body)


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
