"""The only way to Cloudflare: bytes to and from the API over one borrowed aiohttp session."""

from exporter.cloudflare.client.operations import CloudflareClient
from exporter.cloudflare.client.session import open_session
from exporter.cloudflare.client.transport import DEFAULT_MAX_BODY_BYTES, Exchange

__all__ = ["DEFAULT_MAX_BODY_BYTES", "CloudflareClient", "Exchange", "open_session"]
