"""Connections: aiohttp's own, but quiet about what is not HTTP and about versions.

aiohttp offers no other way to shape the answer to a request that it cannot parse, or to one
that met a bug: by default both name Python's and aiohttp's versions, and the first writes a
traceback into the log for every port scan.
"""

import asyncio
import logging
from http import HTTPStatus

import structlog
from aiohttp import web

from exporter.web.responses import COMMON_HEADERS, answer_text

_log = structlog.get_logger(__name__)

# Requests are logged by the server, as events of ours.
_NO_ACCESS_LOG = logging.Logger("aiohttp.access.off", logging.CRITICAL)  # noqa: LOG001  # nobody else's
# Longer than between two scrapes, which would otherwise shake hands anew each time.
_KEEP_ALIVE_SECONDS = 330.0
# No route reads a body; one that keeps coming is not waited for.
_LINGERING_SECONDS = 1.0


class QuietConnection(web.RequestHandler):
    """One connection; what aiohttp itself answers carries our headers and no detail."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's words, which quote the request
    ) -> web.StreamResponse:
        """Answer what is not HTTP with 400, and a bug with 500 and a traceback in the log.

        Raises ConnectionError, which ends the connection, where an answer has begun already.
        """
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request.failed", exc_info=exc)
        else:
            _log.debug("request.malformed", remote=request.remote, status=status)
        if request.writer.output_size:
            raise ConnectionError("an answer has begun already")
        response = answer_text(HTTPStatus(status).phrase, status=status, headers=COMMON_HEADERS)
        response.force_close()
        return response


class QuietServer(web.Server):
    """Makes a `QuietConnection` for each client."""

    def __call__(self) -> QuietConnection:
        """Make the protocol of one new connection."""
        return QuietConnection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=_NO_ACCESS_LOG,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
        )
