"""A running simulator: a world, its activity, and the HTTP server."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from exporter.clock import Clock, SystemClock
from exporter.errors import ListenError
from exporter.simulator.http.admin_api import ADMIN_ROOT, AdminApi
from exporter.simulator.http.endpoint import API_ROOT, Endpoint, RequestLog
from exporter.simulator.scenario import Scenario
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.world import World, build_world

_SHUTDOWN_SECONDS = 0.25
"""The time that running requests get at shutdown; aiohttp waits twice as long."""
_MAX_REQUEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator, served at `url`.

    `account_ids` and `tokens` (the values) are by name, in the order of the scenario. Call
    `driver.catch_up` before reading `world` directly.
    """

    url: str
    world: World
    driver: Driver
    log: RequestLog

    @property
    def api_url(self) -> str:
        """The base URL of the API, in place of `https://api.cloudflare.com/client/v4`."""
        return self.url + API_ROOT

    @property
    def admin_url(self) -> str:
        """The base URL of the admin API; see `http.admin_api`."""
        return self.url + ADMIN_ROOT

    @property
    def account_ids(self) -> Mapping[str, str]:
        """The id of each account by its name."""
        accounts = self.world.accounts
        return {account.traits.name: account_id for account_id, account in accounts.items()}

    @property
    def tokens(self) -> Mapping[str, str]:
        """The value of each token by its name."""
        return {token.name: value for value, token in self.world.tokens.items()}


@contextlib.asynccontextmanager
async def run_simulator(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock | None = None,
) -> AsyncIterator[Simulator]:
    """Serve a simulator until the block ends; port 0 is any free port.

    Raise ConfigurationError if the parts of the scenario contradict each other, and ListenError if
    the address cannot be bound.
    """
    clock = clock or SystemClock()
    now_ns = round(clock.time() * SECOND_NS)
    world = build_world(scenario, now_ns=now_ns, monotonic=clock.monotonic())
    driver = Driver(world, scenario, clock)
    log = RequestLog()
    app = _build_app(world, driver, log, clock)
    async with _serve(app, host=host, port=port) as url:
        yield Simulator(url, world, driver, log)


def _build_app(world: World, driver: Driver, log: RequestLog, clock: Clock) -> web.Application:
    app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    app.add_routes(AdminApi(world, driver, log, clock).routes())
    endpoint = Endpoint(world, driver, log, clock)
    app.router.add_route("*", API_ROOT + "/{path:.*}", endpoint.handle)
    app.on_response_prepare.append(endpoint.add_ray)
    return app


@contextlib.asynccontextmanager
async def _serve(app: web.Application, *, host: str, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host or None, port)
        try:
            await site.start()
        except OSError as error:
            problem = error.strerror or str(error)
            raise ListenError(f"cannot listen on {host}:{port}: {problem}") from error
        yield _url(runner.addresses[0])
    finally:
        await runner.cleanup()


def _url(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return the URL of a bound address, with loopback in place of the unspecified address."""
    host, port = address[0], address[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
