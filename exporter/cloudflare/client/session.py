"""The aiohttp session of the client, and the proxy that the environment selects for a URL."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from exporter.errors import ConfigurationError

MOST_INFORMATIONAL = 16
"""The most responses with a status of 1xx before the final one. HTTP sets no limit, and aiohttp skips
them without returning to the event loop."""

_KEEP_ALIVE_SECONDS = 90.0
"""Longer than the longest automatic poll interval, so that an idle exporter keeps its connection."""

_DNS_SECONDS = 60
_PARSED_BYTES = 16 * 1024
_FIRST_FINAL_STATUS = 200


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `url` has no credentials; `authorization` is the value of a header."""

    url: URL
    authorization: str | None = field(default=None, repr=False)


def proxy_for(url: URL) -> Proxy | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY select for a URL, or None.

    Loopback hosts never use a proxy, because the proxy's loopback is another machine. Raises
    ConfigurationError for a value that is not `http://[USER:PASSWORD@]HOST[:PORT]`, without
    repeating the value: sending the request directly instead could leak it.
    """
    host = url.host or ""
    value = getproxies().get(url.scheme)
    if not value or _is_loopback(host) or proxy_bypass(host):
        return None
    proxy = _parsed(value)
    if proxy is None:
        name = f"{url.scheme.upper()}_PROXY"
        raise ConfigurationError(f"{name}: expected http://HOST:PORT, or http://USER:PASSWORD@…")
    authorization = None
    if proxy.user is not None or proxy.password is not None:
        credentials = f"{proxy.user or ''}:{proxy.password or ''}"
        authorization = f"Basic {b64encode(credentials.encode()).decode()}"
    return Proxy(proxy.origin(), authorization)


def _is_loopback(host: str) -> bool:
    """Return whether a host is `localhost`, a name below it (RFC 6761) or a loopback address."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _parsed(value: str) -> URL | None:
    try:
        proxy = URL(value)
    except ValueError:
        return None
    return proxy if proxy.scheme == "http" and proxy.host and proxy.port is not None else None


@asynccontextmanager
async def open_session(*, connections: int = 8) -> AsyncIterator[ClientSession]:
    """Open a session with at most `connections` connections; close it with the block.

    It keeps connections alive and no cookies. It reads neither ~/.netrc nor the proxy variables,
    which `proxy_for` reads once.
    """
    async with ClientSession(
        connector=_Connector(
            limit=connections, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=_DNS_SECONDS
        ),
        cookie_jar=DummyCookieJar(),
        trust_env=False,
    ) as session:
        yield session


class _Connector(TCPConnector):
    """A connector whose connections limit the responses before the final one.

    aiohttp has no setting for the limit; its connectors create protocols with `_factory`.
    """

    def __init__(self, *, limit: int, keepalive_timeout: float, ttl_dns_cache: int) -> None:
        super().__init__(
            limit=limit, keepalive_timeout=keepalive_timeout, ttl_dns_cache=ttl_dns_cache
        )
        loop = asyncio.get_running_loop()
        self._factory = lambda: _BoundedHandler(loop)  # type: ignore[assignment]  # a partial there


class _BoundedHandler(ResponseHandler):
    """Rejects more than `MOST_INFORMATIONAL` responses between two final ones.

    Received bytes go to the parser in small parts, so that the limit also holds within one read of
    the socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._informational = 0

    def data_received(self, data: bytes) -> None:
        if len(data) <= _PARSED_BYTES:
            super().data_received(data)
            return
        for start in range(0, len(data), _PARSED_BYTES):
            if self._informational > MOST_INFORMATIONAL:
                return
            super().data_received(data[start : start + _PARSED_BYTES])

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        if data[0].code >= _FIRST_FINAL_STATUS:
            self._informational = 0
        else:
            self._informational += 1
        if self._informational <= MOST_INFORMATIONAL:
            super().feed_data(data, size)
        elif self._informational == MOST_INFORMATIONAL + 1:
            if self.transport is not None:
                self.transport.close()
            self.set_exception(HttpProcessingError(message="too many informational responses"))
