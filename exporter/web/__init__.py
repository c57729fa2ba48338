"""The HTTP side: `/metrics`, health, reload and a page for people.

Answers from what lies in memory; never polls, renders or waits for anything but its reader.
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
