"""The server: sockets, connections, the order of what happens to a request."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from socket import socket

import structlog
from aiohttp import web

from exporter.clock import Clock
from exporter.gate import ScrapeGate
from exporter.settings import ListenAddress
from exporter.web.auth import BasicAuth
from exporter.web.config import WebConfig
from exporter.web.guard import Guard, OwnHosts, RequestPolicy
from exporter.web.listening import bound_port, is_loopback, open_listeners
from exporter.web.protocol import QuietServer
from exporter.web.responses import COMMON_HEADERS, SERVER_HEADERS, Headers
from exporter.web.routes import Routes
from exporter.web.scrapes import ScrapeEndpoint, ScrapeLimits
from exporter.web.sources import WebSources

_log = structlog.get_logger(__name__)

# By then scrapes have ended; what is left is a reload, or a password being checked. aiohttp
# waits for it twice at worst: before and after asking handlers to end.
_SHUTDOWN_SECONDS = 1.5


class WebServer:
    """A running server; `run_web` makes one."""

    def __init__(
        self,
        routes: Routes,
        *,
        listen: ListenAddress,
        listeners: Sequence[socket],
        config: WebConfig,
        policy: RequestPolicy,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._listen_host = listen.host
        self._listeners = listeners
        self._clock = clock
        self._sites: Sequence[web.SockSite] = ()
        self._connections = QuietServer(self._answer)
        self._auth = BasicAuth()
        self._runner = web.ServerRunner(self._connections, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._apply(config, policy)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return bound_port(self._listeners[0])

    @property
    def url(self) -> str:
        """Where it can be reached from this machine, without a slash at the end."""
        host, port = self._listeners[0].getsockname()[:2]
        host = {"::": "localhost", "0.0.0.0": "localhost"}.get(host, host)  # noqa: S104  # compared
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{ListenAddress(host, port)}"

    async def replace_config(self, config: WebConfig, policy: RequestPolicy | None = None) -> None:
        """Answer by another web configuration from now on, and policy if given, on the same port.

        No client is turned away meanwhile. A request in progress ends as it began; connections
        that were made under other TLS settings are closed after it.
        """
        if config.tls is not self._tls:
            await self._listen(config.tls)
            self._connections.pre_shutdown()
        self._apply(config, policy or self._policy)

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        await self._listen(self._tls)

    async def stop(self) -> None:
        """Answer nobody new, let open answers end for a few seconds, and drop the rest."""
        for site in self._sites:
            await site.stop()
        self._auth.close()
        await self._routes.close()
        await self._runner.cleanup()

    def _apply(self, config: WebConfig, policy: RequestPolicy) -> None:
        self._tls = config.tls
        self._auth.replace_users(config.users)
        self._policy = policy
        self._guard = Guard(
            config,
            hosts=OwnHosts(
                listen_host=self._listen_host,
                allowed=policy.allowed_hosts,
                is_loopback=all(map(is_loopback, self._listeners)),
            ),
            enable_lifecycle=policy.enable_lifecycle,
            auth=self._auth,
            clock=self._clock,
        )
        headers = {**COMMON_HEADERS, **config.headers, **SERVER_HEADERS}
        self._headers: Headers = {name: value for name, value in headers.items() if value}

    async def _listen(self, tls: ssl.SSLContext | None) -> None:
        """Accept with these TLS settings, and no more with those before.

        Each site has a duplicate of our sockets, so that closing one closes none of ours and
        whoever is waiting to be accepted keeps waiting.
        """
        before = self._sites
        self._sites = [
            web.SockSite(self._runner, listener.dup(), ssl_context=tls)
            for listener in self._listeners
        ]
        for site in self._sites:
            await site.start()
        for site in before:
            await site.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        started = self._clock.monotonic()
        headers = self._headers
        answer: web.StreamResponse | None = await self._guard.refuse(request, headers)
        if answer is None:
            answer = await self._routes.answer(request, headers)
        # Without the query, where somebody may have put what is not for logs.
        _log.debug(
            "request.answered",
            method=request.method,
            path=request.path,
            status=answer.status,
            remote=request.remote,
            seconds=round(self._clock.monotonic() - started, 6),
        )
        return answer


@asynccontextmanager
async def run_web(
    sources: WebSources,
    *,
    listen: ListenAddress,
    clock: Clock,
    gate: ScrapeGate,
    config: WebConfig | None = None,
    policy: RequestPolicy | None = None,
    limits: ScrapeLimits | None = None,
) -> AsyncIterator[WebServer]:
    """Serve until the block ends; reachable as soon as it is entered.

    Raises ListenError if `listen` is taken, is not one of this machine or cannot be resolved.
    """
    scrapes = ScrapeEndpoint(sources, gate=gate, clock=clock, limits=limits or ScrapeLimits())
    routes = Routes(sources, scrapes, clock)
    with open_listeners(listen) as listeners:
        server = WebServer(
            routes,
            listen=listen,
            listeners=listeners,
            config=config or WebConfig(),
            policy=policy or RequestPolicy(),
            clock=clock,
        )
        try:
            await server.start()
            yield server
        finally:
            await server.stop()
