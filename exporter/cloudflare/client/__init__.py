"""The only connection to Cloudflare: the API's operations over one borrowed aiohttp session."""

from exporter.cloudflare.client.credentials import TokenSource, exposure, fingerprint
from exporter.cloudflare.client.operations import CloudflareClient
from exporter.cloudflare.client.session import open_session
from exporter.cloudflare.client.transport import DEFAULT_MAX_BODY_BYTES, Exchange

__all__ = [
    "DEFAULT_MAX_BODY_BYTES",
    "CloudflareClient",
    "Exchange",
    "TokenSource",
    "exposure",
    "fingerprint",
    "open_session",
]
