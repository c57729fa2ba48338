"""`serve`: runs pollers and web server until a signal or a bug ends them."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Never

from exporter.app.accounts import (
    PreparedAccount,
    apply_format,
    build_poller,
    prepare_accounts,
)
from exporter.app.memory import freeze_start, return_large_blocks
from exporter.app.runtime import Runtime, open_runtime
from exporter.app.status import Sources
from exporter.clock import Clock, SystemClock
from exporter.errors import ConfigurationError, ExporterError
from exporter.logs import get_logger
from exporter.polling.account import AccountPoller
from exporter.polling.backoff import start_delay
from exporter.settings import Settings
from exporter.web import (
    ConnectionTable,
    RequestPolicy,
    WebConfig,
    WebServer,
    connection_limit,
    read_web_config,
    run_web,
)

FIXED_AT_START = ("listen", "state")
"""Settings that need a restart."""

WEB_CONFIG_CHECK_SECONDS = 5.0
"""The interval at which the files of the web configuration are checked for changes."""

_RECORDING_SECONDS = 10.0
"""A reload waits this long beyond the timeout of a request for running polls to end."""

_log = get_logger(__name__)


async def serve(
    settings: Settings,
    *,
    clock: Clock | None = None,
    on_ready: Callable[[str], None] | None = None,
    load: Callable[[], Settings] | None = None,
    on_reloaded: Callable[[Settings], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
) -> signal.Signals:
    """Poll and serve until SIGTERM or SIGINT, and return that signal.

    `on_ready` gets the base URL as soon as `/metrics` answers, before the first poll. `load`
    reads the settings again, on SIGHUP and on request; without it they stay. `on_reloaded` gets
    the new settings after a successful reload.
    `on_stopping` is called when a signal asks to stop.
    Raises ConfigurationError, StateError and ListenError before it serves. Any other exception is
    a bug and also ends it.
    """
    return_large_blocks()
    async with open_runtime(settings, clock=clock or SystemClock()) as runtime:
        exporter = _Exporter(
            settings,
            runtime,
            load=load or (lambda: settings),
            on_reloaded=on_reloaded or (lambda _: None),
            on_stopping=on_stopping or (lambda: None),
        )
        return await exporter.run(on_ready or (lambda _: None))


@dataclass(slots=True, eq=False)
class _Run:
    """The poller of one account, and the task that runs it."""

    effective: object
    poller: AccountPoller
    task: asyncio.Task[Never] | None = None


class _Exporter:
    """One run of `serve`: the current settings and their pollers."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        *,
        load: Callable[[], Settings],
        on_reloaded: Callable[[Settings], None],
        on_stopping: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._load = load
        self._on_reloaded = on_reloaded
        self._on_stopping = on_stopping
        self._sources = Sources(runtime, reload=self.reload)
        self._stop_requested = asyncio.Event()
        self._stop_signal = signal.SIGTERM
        self._reload_requested = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks = asyncio.TaskGroup()
        self._runs: tuple[_Run, ...] = ()
        self._server: WebServer | None = None
        self._web_config = WebConfig()
        self._web_config_refused = False
        self._settings_accepted = True
        refused = runtime.telemetry.web_connections_refused
        self._connections = ConnectionTable(
            limit=connection_limit(accounts=len(settings.accounts)),
            clock=runtime.clock,
            on_refused=lambda reason: refused.labels(reason).inc(),
        )

    async def run(self, on_ready: Callable[[str], None]) -> signal.Signals:
        """Serve the stored state, then poll, until a signal. Return that signal."""
        prepared = await prepare_accounts(self._settings, self._runtime)
        await self._build_pollers(prepared)
        self._report_load(successful=True)
        freeze_start()
        self._adopt(await asyncio.to_thread(_web_config, self._settings))
        web = run_web(
            self._sources,
            listen=self._settings.listen,
            clock=self._runtime.clock,
            scrape_priority=self._runtime.scrape_priority,
            config=self._web_config,
            policy=_request_policy(self._settings),
            connections=self._connections,
        )
        with _signals(stop=self._request_stop, reload=self._reload_requested.set):
            async with web as self._server:
                _log.info("server.started", url=self._server.url)
                on_ready(self._server.url)
                await self._run_until_stopped()
        _log.info("server.stopped")
        return self._stop_signal

    async def reload(self) -> str | None:
        """Reload the configuration. If it is invalid, change nothing and return what is wrong."""
        async with self._reloading:
            try:
                await self._switch()
            except ExporterError as error:
                self._report_load(successful=False)
                _log.warning("config.refused", problem=str(error))
                return str(error)
            self._report_load(successful=True)
            self._on_reloaded(self._settings)
            _log.info("config.reloaded", accounts=len(self._settings.accounts))
            return None

    def _request_stop(self, received: signal.Signals) -> None:
        self._stop_signal = received
        self._stop_requested.set()
        self._on_stopping()

    async def _run_until_stopped(self) -> None:
        async with self._tasks:
            reloading = self._tasks.create_task(self._reload_on_request())
            watching = self._tasks.create_task(self._watch_web_config())
            self._start_polling()
            await self._stop_requested.wait()
            reloading.cancel()
            watching.cancel()
            await self._stop_polling(self._runs)

    async def _reload_on_request(self) -> None:
        while True:
            await self._reload_requested.wait()
            self._reload_requested.clear()
            await self.reload()

    async def _watch_web_config(self) -> None:
        """Adopt the web configuration, its certificates and users whenever their files change.

        Unlike a reload this needs no signal: a renewed certificate must not wait for one.
        """
        while True:
            await self._runtime.clock.sleep(WEB_CONFIG_CHECK_SECONDS)
            async with self._reloading:
                await self._read_changed_web_config()

    async def _read_changed_web_config(self) -> None:
        """Adopt a changed web configuration, or keep the old one while the new one is invalid.

        A new certificate with an old key is invalid, for example. The problem is logged once.
        Each check tries again until the files are valid or as they were before.
        """
        before = self._web_config
        try:
            web_config = await asyncio.to_thread(_changed_web_config, self._settings, before)
        except ExporterError as error:
            if not self._web_config_refused:
                self._web_config_refused = True
                self._runtime.telemetry.config_reload_successful.set(0)
                _log.warning("web_config.refused", problem=str(error))
            return
        if web_config is not before:
            if self._server is not None:
                await self._server.replace_config(web_config)
            self._adopt(web_config)
            _log.info("web_config.changed", certificate=web_config.tls is not before.tls)
        if self._web_config_refused:
            self._web_config_refused = False
            self._runtime.telemetry.config_reload_successful.set(self._settings_accepted)

    def _adopt(self, web_config: WebConfig) -> None:
        self._web_config = web_config
        self._runtime.telemetry.show_certificate_expiry(web_config.certificate_expiry)

    async def _switch(self) -> None:
        """Load and apply the settings, or raise an ExporterError and keep the old ones."""
        settings = self._load()
        for name in FIXED_AT_START:
            if getattr(settings, name) != getattr(self._settings, name):
                raise ConfigurationError(f"{name} cannot change while running: restart instead")
        web_config = await asyncio.to_thread(_web_config, settings, self._web_config)
        try:
            prepared = await prepare_accounts(settings, self._runtime)
        except ExporterError:
            self._forget_accounts(of=settings, kept=self._settings)
            with suppress(ExporterError):
                await prepare_accounts(self._settings, self._runtime)
            raise
        if settings != self._settings or self._is_changed(prepared):
            await self._replace_pollers(settings, prepared)
        if self._server is not None:
            await self._server.replace_config(web_config, _request_policy(settings))
        self._adopt(web_config)
        self._web_config_refused = False

    def _is_changed(self, prepared: Sequence[PreparedAccount]) -> bool:
        """Return whether any account would be polled differently, such as with another token."""
        return [run.effective for run in self._runs] != [each.effective for each in prepared]

    async def _replace_pollers(
        self, settings: Settings, prepared: Sequence[PreparedAccount]
    ) -> None:
        """Poll with these settings. Pollers of unchanged accounts keep running."""
        wanted = [each.effective for each in prepared]
        kept = [run for run in self._runs if run.effective in wanted]
        await self._end_polling([run for run in self._runs if run not in kept])
        if self._stop_requested.is_set():
            return
        self._forget_accounts(of=self._settings, kept=settings)
        self._settings = settings
        self._connections.limit = connection_limit(accounts=len(settings.accounts))
        await self._build_pollers(prepared, kept)
        self._start_polling()

    async def _build_pollers(
        self, prepared: Sequence[PreparedAccount], kept: Sequence[_Run] = ()
    ) -> None:
        """Build a poller for each account that has no kept run."""
        apply_format(self._settings, self._runtime)
        runs = []
        for each in prepared:
            run = next((run for run in kept if run.effective == each.effective), None)
            if run is None:
                poller = await build_poller(each, self._settings, self._runtime)
                run = _Run(each.effective, poller)
            runs.append(run)
        self._runs = tuple(runs)
        self._sources.pollers = tuple(run.poller for run in runs)

    def _start_polling(self) -> None:
        """Start the pollers that are not running, unless the exporter is stopping."""
        if self._stop_requested.is_set():
            return
        for position, run in enumerate(self._runs):
            if run.task is None:
                delay = start_delay(
                    position, len(self._runs), interval=self._settings.poll_interval
                )
                run.task = self._tasks.create_task(run.poller.run(start_delay=delay))

    async def _end_polling(self, runs: Sequence[_Run]) -> None:
        """Wait for running polls, at most as long as a request may take, then stop the pollers."""
        seconds = self._settings.api_timeout + _RECORDING_SECONDS
        async with asyncio.TaskGroup() as ending:
            for run in runs:
                ending.create_task(run.poller.end(within_seconds=seconds))
        await self._stop_polling(runs)

    async def _stop_polling(self, runs: Sequence[_Run]) -> None:
        """Cancel polling once everything the pollers submitted is committed."""
        async with asyncio.TaskGroup() as closing:
            for run in runs:
                if run.task is not None:
                    closing.create_task(run.poller.close())
        tasks = [run.task for run in runs if run.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget_accounts(self, *, of: Settings, kept: Settings) -> None:
        """Remove the series of accounts that are in `of` and not in `kept`."""
        gone = {account.name for account in of.accounts}
        for name in gone.difference(account.name for account in kept.accounts):
            self._runtime.exposition.remove(name)
            self._runtime.telemetry.forget_account(name)

    def _report_load(self, *, successful: bool) -> None:
        self._settings_accepted = successful
        telemetry = self._runtime.telemetry
        telemetry.config_reload_successful.set(successful)
        if successful:
            telemetry.config_reload_success.set(self._runtime.clock.time())


def _web_config(settings: Settings, previous: WebConfig | None = None) -> WebConfig:
    if settings.web_config_file is None:
        return WebConfig()
    return read_web_config(settings.web_config_file, previous=previous)


def _changed_web_config(settings: Settings, before: WebConfig) -> WebConfig:
    return _web_config(settings, before) if before.is_outdated() else before


def _request_policy(settings: Settings) -> RequestPolicy:
    return RequestPolicy(settings.allowed_hosts, settings.enable_lifecycle)


@contextmanager
def _signals(
    *, stop: Callable[[signal.Signals], None], reload: Callable[[], None]
) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT, and `reload` on SIGHUP, while the block lasts."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
