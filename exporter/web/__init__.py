"""The HTTP side: `/metrics`, health, reload and a page for people.

Answers from what lies in memory; never polls, renders or waits for anything but its reader.
"""

from exporter.web.config import WebConfig, read_web_config
from exporter.web.guard import RequestPolicy
from exporter.web.protocol import ConnectionTable, connection_limit
from exporter.web.scrapes import ScrapeLimits
from exporter.web.server import WebServer, run_web
from exporter.web.sources import WebSources
from exporter.web.status import (
    Access,
    AccountStatus,
    BacklogStatus,
    FailureStatus,
    PauseStatus,
    QuotaStatus,
    ResourceStatus,
    StatusPage,
)

__all__ = [
    "Access",
    "AccountStatus",
    "BacklogStatus",
    "ConnectionTable",
    "FailureStatus",
    "PauseStatus",
    "QuotaStatus",
    "RequestPolicy",
    "ResourceStatus",
    "ScrapeLimits",
    "StatusPage",
    "WebConfig",
    "WebServer",
    "WebSources",
    "connection_limit",
    "read_web_config",
    "run_web",
]
