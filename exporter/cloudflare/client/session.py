"""The aiohttp session as we want it; the client borrows one and never closes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.request import getproxies

from aiohttp import ClientSession, DummyCookieJar, TCPConnector

_KEEP_ALIVE_SECONDS = 90.0
"""Longer than the default poll interval, so that a quiet exporter keeps its one connection."""

_DNS_SECONDS = 60


@asynccontextmanager
async def open_session(*, connections: int = 8) -> AsyncIterator[ClientSession]:
    """Open a session of at most `connections` connections, closed with the block.

    It keeps connections alive, keeps no cookies (Cloudflare's are for browsers) and honours
    HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Where no proxy is configured as it is opened, aiohttp is
    not told to look: it would read the environment and ~/.netrc again for every request.
    """
    connector = TCPConnector(
        limit=connections, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=_DNS_SECONDS
    )
    async with ClientSession(
        connector=connector, cookie_jar=DummyCookieJar(), trust_env=bool(getproxies())
    ) as session:
        yield session
