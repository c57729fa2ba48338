"""The routes of the HTTP server, and the interface to the rest of the program."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from exporter.clock import Clock
from exporter.exposition import Scrape
from exporter.status import StatusPage
from exporter.web.guard import RELOAD_PATH
from exporter.web.pages import load_status_template, render_status_page
from exporter.web.responses import Headers, answer_html, answer_text
from exporter.web.scrapes import ScrapeEndpoint

Endpoint = Callable[[web.BaseRequest, Headers], Awaitable[web.StreamResponse]]


class WebSources(Protocol):
    """The data that the routes serve. All methods but `reload` return at once, from memory."""

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Return a scrape of the families in `names`, or of all families if `names` is None."""
        ...

    def healthy(self) -> bool:
        """Return whether every task of the exporter runs, whatever the state of Cloudflare's API."""
        ...

    def ready(self) -> bool:
        """Return whether the first poll of every account has ended, successfully or not."""
        ...

    def status(self) -> StatusPage:
        """Return the data of the status page."""
        ...

    async def reload(self) -> str | None:
        """Read the configuration again. Return None, or an error message if nothing was changed.

        The message is sent to the client, so it must not contain secrets.
        """
        ...


class Routes:
    """The endpoints by path and method. Each path that allows GET allows HEAD."""

    def __init__(self, sources: WebSources, scrapes: ScrapeEndpoint, clock: Clock) -> None:
        self._sources = sources
        self._scrapes = scrapes
        self._clock = clock
        self._endpoints: Mapping[str, Mapping[str, Endpoint]] = {
            "/": _read_only(self._answer_status),
            "/metrics": _read_only(scrapes.answer),
            "/-/healthy": _read_only(self._answer_healthy),
            "/-/ready": _read_only(self._answer_ready),
            RELOAD_PATH: {"POST": self._reload},
        }

    async def answer(self, request: web.BaseRequest, headers: Headers) -> web.StreamResponse:
        """Return the response of the endpoint, or a 404 or 405 response."""
        methods = self._endpoints.get(request.path)
        if methods is None:
            return answer_text("Not found", status=HTTPStatus.NOT_FOUND, headers=headers)
        endpoint = methods.get(request.method)
        if endpoint is None:
            return answer_text(
                "Method not allowed",
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                headers={**headers, "Allow": ", ".join(methods)},
            )
        return await endpoint(request, headers)

    async def close(self) -> None:
        """Wait a short time for open scrapes to end, then abort them."""
        await self._scrapes.close()

    async def _answer_status(self, request: web.BaseRequest, headers: Headers) -> web.Response:
        await asyncio.to_thread(load_status_template)
        page = render_status_page(
            self._sources.status(),
            now=self._clock.time(),
            refreshes=request.query.get("refresh") != "off",
        )
        return answer_html(page, headers=headers)

    async def _answer_healthy(self, _: web.BaseRequest, headers: Headers) -> web.Response:
        if self._sources.healthy():
            return answer_text("Healthy", headers=headers)
        return _unavailable("A task of the exporter does not run", headers)

    async def _answer_ready(self, _: web.BaseRequest, headers: Headers) -> web.Response:
        if self._sources.ready():
            return answer_text("Ready", headers=headers)
        return _unavailable("Not every account's first poll has ended yet", headers)

    async def _reload(self, _: web.BaseRequest, headers: Headers) -> web.Response:
        problem = await self._sources.reload()
        if problem is None:
            return answer_text("Configuration reloaded", headers=headers)
        return answer_text(
            f"Configuration kept as it was:\n{problem}",
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            headers=headers,
        )


def _read_only(endpoint: Endpoint) -> Mapping[str, Endpoint]:
    return {"GET": endpoint, "HEAD": endpoint}


def _unavailable(text: str, headers: Headers) -> web.Response:
    return answer_text(text, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)
