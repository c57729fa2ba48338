"""The HTTP server: `/metrics`, health checks, reload and the status page.

It responds from memory and never waits for Cloudflare, a disk or a database.
"""

from exporter.web.config import WebConfig, read_web_config
from exporter.web.connections import ConnectionTable, connection_limit
from exporter.web.guard import RequestPolicy
from exporter.web.routes import WebSources
from exporter.web.scrapes import ScrapeLimits
from exporter.web.server import WebServer, run_web

__all__ = [
    "ConnectionTable",
    "RequestPolicy",
    "ScrapeLimits",
    "WebConfig",
    "WebServer",
    "WebSources",
    "connection_limit",
    "read_web_config",
    "run_web",
]
