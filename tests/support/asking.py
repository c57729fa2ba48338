"""A client of a raw server on loopback, and what it reported."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from exporter.clock import SystemClock
from exporter.cloudflare.client import CloudflareClient, Exchange, TokenSource, open_session
from tests.support.raw_api import RawApi, Reply, raw_api

SECRET = "s3cr3t-T0ken_with-forty-characters-in-it"


@dataclass
class Asking:
    """A client of a server, and what it reported."""

    client: CloudflareClient
    api: RawApi
    exchanges: list[Exchange] = field(default_factory=list)


@asynccontextmanager
async def asking(
    *replies: Reply | bytes,
    timeout_seconds: float = 5.0,
    max_body_bytes: int = 1_000_000,
    token: TokenSource | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Asking]:
    """Ask a server that gives these replies."""
    exchanges: list[Exchange] = []
    async with raw_api(*replies, tls=tls) as api, open_session() as session:
        client = CloudflareClient(
            session,
            api_url=api.url,
            token=token or TokenSource.from_literal(SECRET),
            timeout_seconds=timeout_seconds,
            on_exchange=exchanges.append,
            clock=SystemClock(),
            max_body_bytes=max_body_bytes,
        )
        yield Asking(client, api, exchanges)
