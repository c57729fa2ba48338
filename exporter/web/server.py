"""The HTTP server: listening sockets, accepted connections, and the handling of each request."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import Never

from aiohttp import web

from exporter.clock import Clock
from exporter.errors import ListenError
from exporter.logs import get_logger
from exporter.scrape_priority import ScrapePriority
from exporter.settings import ListenAddress
from exporter.web.auth import BasicAuth
from exporter.web.config import WebConfig
from exporter.web.connections import (
    MAX_CONNECTIONS,
    Client,
    ConnectionTable,
    RequestHandler,
)
from exporter.web.guard import Guard, OwnHosts, RequestPolicy
from exporter.web.responses import COMMON_HEADERS, SERVER_HEADERS, Headers
from exporter.web.routes import Routes, WebSources
from exporter.web.scrapes import ScrapeEndpoint, ScrapeLimits

_log = get_logger(__name__)

# Scrapes have ended by then. A reload or a password check may still run; aiohttp waits up to
# twice this long for it, before and after it cancels the handlers.
_SHUTDOWN_SECONDS = 1.5
# The delay between attempts to accept while the system is out of descriptors or memory.
_RETRY_ACCEPT_SECONDS = 0.5


class WebServer:
    """A running server, created by `run_web`."""

    def __init__(
        self,
        routes: Routes,
        *,
        listen: ListenAddress,
        listeners: Sequence[socket.socket],
        config: WebConfig,
        policy: RequestPolicy,
        table: ConnectionTable,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._listen_host = listen.host
        self._listeners = listeners
        self._clock = clock
        self._table = table
        self._connections = web.Server(self._answer)
        self._auth = BasicAuth()
        self._tasks = asyncio.TaskGroup()
        self._apply(config, policy)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return bound_port(self._listeners[0])

    @property
    def url(self) -> str:
        """The URL of the server on this machine, without a trailing slash."""
        host, port = self._listeners[0].getsockname()[:2]
        host = {"::": "localhost", "0.0.0.0": "localhost"}.get(host, host)  # noqa: S104  # compared
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{ListenAddress(host, port)}"

    async def replace_config(self, config: WebConfig, policy: RequestPolicy | None = None) -> None:
        """Apply another web configuration, and a policy if given, to all further requests.

        The port stays open. A request in progress ends under the old configuration. If the TLS
        settings change, its connection is closed afterwards, and idle connections are closed at
        once.
        """
        has_other_tls = config.tls is not self._tls
        self._apply(config, policy or self._policy)
        if has_other_tls:
            self._connections.pre_shutdown()

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Accept connections and respond to requests until `stopped` is set.

        Then wait a few seconds for open responses to end, and abort the rest.
        """
        async with self._tasks:
            serving = [
                self._tasks.create_task(self._table.sweep()),
                *(self._tasks.create_task(self._accept(each)) for each in self._listeners),
            ]
            try:
                await stopped.wait()
            finally:
                for task in serving:
                    task.cancel()
                await self._stop()

    async def _stop(self) -> None:
        self._auth.close()
        await self._routes.close()
        self._connections.pre_shutdown()
        await self._connections.shutdown(_SHUTDOWN_SECONDS)
        self._table.abort_all()

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

    async def _accept(self, listener: socket.socket) -> Never:
        """Accept connections, and close those beyond the limit at once."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                # According to accept(2): out of descriptors or memory, or an error of the connection.
                _log.debug("connection.not_accepted", reason=error.strerror)
                has_evicted = self._table.evict()
                await self._clock.sleep(0.0 if has_evicted else _RETRY_ACCEPT_SECONDS)
                continue
            client = self._table.admit(connection.close)
            if client is None:
                connection.close()
            else:
                self._tasks.create_task(self._open(connection, client))
            # Lets earlier connections read data that has arrived.
            await asyncio.sleep(0)

    async def _open(self, connection: socket.socket, client: Client) -> None:
        """Complete the TLS handshake, if any, and pass the connection to its request handler."""
        if connection.fileno() < 0:
            return  # evicted already
        task = asyncio.current_task()
        assert task is not None
        client.abort = task.cancel
        tls = self._tls
        try:
            _, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: RequestHandler(self._connections, client, self._table),
                connection,
                ssl=tls,
            )
        except OSError as error:
            _log.debug("connection.not_opened", reason=type(error).__name__)
            self._discard(connection, client)
        except BaseException:
            self._discard(connection, client)
            raise
        else:
            if tls is not self._tls:
                protocol.close()

    def _discard(self, connection: socket.socket, client: Client) -> None:
        self._table.remove(client)
        connection.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        started = self._clock.monotonic()
        headers = self._headers
        answer: web.StreamResponse | None = await self._guard.refuse(request, headers)
        if answer is None:
            answer = await self._routes.answer(request, headers)
        # Without the query string, which may contain secrets.
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
    scrape_priority: ScrapePriority,
    config: WebConfig | None = None,
    policy: RequestPolicy | None = None,
    limits: ScrapeLimits | None = None,
    connections: ConnectionTable | None = None,
) -> AsyncIterator[WebServer]:
    """Serve until the block ends. Clients can connect as soon as the block is entered.

    `connections` limits the open connections. Raises ListenError if the address `listen` is in
    use, does not belong to this machine or cannot be resolved.
    """
    scrapes = ScrapeEndpoint(
        sources.scrape,
        scrape_priority=scrape_priority,
        clock=clock,
        limits=limits or ScrapeLimits(),
    )
    routes = Routes(sources, scrapes, clock)
    failure: Exception | None = None
    with open_listeners(listen) as listeners:
        server = WebServer(
            routes,
            listen=listen,
            listeners=listeners,
            config=config or WebConfig(),
            policy=policy or RequestPolicy(),
            table=connections
            or ConnectionTable(limit=MAX_CONNECTIONS, clock=clock, on_refused=lambda _: None),
            clock=clock,
        )
        stopped = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run_until(stopped))
            try:
                yield server
            except Exception as error:  # noqa: BLE001  # raised again, outside the task group
                failure = error
            finally:
                stopped.set()
    if failure is not None:
        raise failure


_BACKLOG = 128


@contextmanager
def open_listeners(listen: ListenAddress) -> Iterator[tuple[socket.socket, ...]]:
    """Listen on every address of `listen`, all on one port, until the block ends.

    A name may have several addresses (localhost usually has two). Port 0 selects a free port.
    Raises ListenError if an address is in use, does not belong to this machine or cannot be
    resolved.
    """
    with ExitStack() as opened:
        try:
            sockets = _open_all(listen, opened)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"cannot listen on {listen}: {reason}") from error
        yield sockets


def _open_all(listen: ListenAddress, opened: ExitStack) -> tuple[socket.socket, ...]:
    if not listen.host:
        return (opened.enter_context(_open_everywhere(listen.port)),)
    port = listen.port
    sockets: list[socket.socket] = []
    for family, host in _addresses(listen.host):
        sockets.append(opened.enter_context(_open(family, host, port)))
        port = bound_port(sockets[0])
    return tuple(sockets)


def bound_port(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine can connect to the socket."""
    host: str = listener.getsockname()[0]
    return ip_address(host.partition("%")[0]).is_loopback


def _open_everywhere(port: int) -> socket.socket:
    """Listen on every interface, with IPv6 and IPv4 if the machine supports both."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104  # all addresses is the user's choice


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host name without duplicates, in the resolver's order."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _open(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
