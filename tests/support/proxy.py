"""An HTTP proxy on loopback that understands CONNECT, and knows names no DNS knows."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """A running proxy: where it listens, and the request line of each CONNECT."""

    credentials: str | None
    ports: Mapping[str, int]
    port: int = 0
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return its URL as HTTPS_PROXY has it, credentials included."""
        user = "" if self.credentials is None else f"{self.credentials}@"
        return f"http://{user}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT, then pass bytes both ways until either side ends."""
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *headers = head.rstrip().split("\r\n")
                self.requests.append(line)
                status = self._status(line, headers)
                writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
                if status.startswith("200"):
                    await self._tunnel(line, reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _status(self, line: str, headers: list[str]) -> str:
        if self.credentials is not None:
            encoded = base64.b64encode(self.credentials.encode()).decode()
            if f"Proxy-Authorization: Basic {encoded}" not in headers:
                return "407 Who are you, token-in-a-reason?"
        return "200 OK" if line.split()[1] in self.ports else "403 Not allowed"

    async def _tunnel(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        port = self.ports[line.split()[1]]
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, far_writer))
            group.create_task(_pump(far_reader, writer))


@asynccontextmanager
async def connect_proxy(
    ports: Mapping[str, int], *, credentials: str | None = None
) -> AsyncIterator[ConnectProxy]:
    """Run a proxy that connects each `HOST:PORT` of `ports` to that port of loopback."""
    proxy = ConnectProxy(credentials, ports)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
