"""The commands `demo` (exporter and simulator together) and `simulate` (the simulator alone)."""

import argparse
import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Mapping

from pydantic import SecretStr

from exporter.app import serve
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.printing import print_line
from exporter.cli.running import ending_status, run, stop_deadline
from exporter.cli.scenarios import (
    EXPORT,
    add_scenario_flags,
    assignments,
    chosen_scenario,
    command_to_type,
    other_names,
)
from exporter.clock import SystemClock
from exporter.logs import configure_logging
from exporter.settings import AccountSettings, ListenAddress, Settings, load_settings
from exporter.settings.values import read_listen_address
from exporter.simulator import Scenario, Simulator, run_simulator

_ANSWERED_BY_THE_SIMULATOR = frozenset({"config", "api_url", "account_id", "api_token_file"})

_DEMO_DEFAULTS = {"state": "memory:", "poll_interval": "2s", "config_interval": "10s"}
"""A demo shows something within seconds and leaves nothing behind."""

_SCRAPE_JOB = "cloudflare-risk-exporter"
"""The scrape job's name in the alert rules of deploy/prometheus/."""

_STAND_IN = {
    "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
    "CLOUDFLARE_API_TOKEN": "simulated",
    "CLOUDFLARE_API_TOKEN_FILE": "",
    "RISK_EXPORTER_API_URL": "",
    "RISK_EXPORTER_CONFIG": "",
}
"""What the simulator will answer, in place of what is exported for the real exporter."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `demo` and `simulate`."""
    demo = commands.add_parser(
        "demo",
        help="serve /metrics of a simulated Cloudflare; needs no account",
        description="Simulate a Cloudflare account on this machine and serve its risk at "
        "/metrics. Prints the pages to open, and commands to paste into a second terminal.",
        allow_abbrev=False,
    )
    add_scenario_flags(demo)
    options = flag_options(without=_ANSWERED_BY_THE_SIMULATOR)
    add_setting_flags(demo, options, defaults=_DEMO_DEFAULTS)
    demo.set_defaults(run=_demo)
    simulate = commands.add_parser(
        "simulate",
        help="serve a simulated Cloudflare API alone",
        description="Serve the risk-scoring API as Cloudflare does, with generated users and "
        "events. Prints the variables that an exporter needs to poll it.",
        allow_abbrev=False,
    )
    simulate.add_argument(
        "--listen",
        default="127.0.0.1:0",
        type=_listen_address,
        metavar="LISTEN",
        help="address of the API; port 0 is any free one (default %(default)s)",
    )
    add_scenario_flags(simulate)
    simulate.set_defaults(run=_simulate)


def _demo(arguments: argparse.Namespace) -> int:
    settings = _demo_settings(given_flags(arguments), os.environ)
    scenario = chosen_scenario(arguments)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    with stop_deadline() as on_stopping:
        return ending_status(run(_serve_simulated(settings, scenario, on_stopping)))


def _simulate(arguments: argparse.Namespace) -> int:
    configure_logging(level="info", log_format="auto")
    return ending_status(run(_simulate_alone(chosen_scenario(arguments), arguments.listen)))


def _demo_settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings of a demo: flags, then its own defaults, then the rest exported.

    A state, an API or a token that is exported for the real exporter must not be touched.
    """
    defaults = {f"RISK_EXPORTER_{name.upper()}": value for name, value in _DEMO_DEFAULTS.items()}
    return load_settings(flags=flags, environ={**environ, **_STAND_IN, **defaults})


async def _serve_simulated(
    settings: Settings, scenario: Scenario, on_stopping: Callable[[], None]
) -> signal.Signals:
    clock = SystemClock()
    async with run_simulator(scenario, host="127.0.0.1", port=0, clock=clock) as simulator:

        def tell(url: str) -> None:
            _print_lines(_demo_lines(url, simulator))

        return await serve(
            _pointed_at(simulator, settings), clock=clock, on_ready=tell, on_stopping=on_stopping
        )


async def _simulate_alone(scenario: Scenario, address: ListenAddress) -> signal.Signals:
    stopped = _stop_signal()
    async with run_simulator(scenario, host=address.host, port=address.port) as simulator:
        _print_lines(_simulate_lines(simulator))
        return await stopped


def _pointed_at(simulator: Simulator, settings: Settings) -> Settings:
    """Return the settings with the simulator's accounts, each polled with its first token."""
    token = next(iter(simulator.tokens.values()))
    accounts = tuple(
        AccountSettings(
            name=name, account_id=account_id, api_token=SecretStr(token), api_token_file=None
        )
        for name, account_id in simulator.account_ids.items()
    )
    return settings.model_copy(update={"api_url": simulator.api_url, "accounts": accounts})


def _demo_lines(url: str, simulator: Simulator) -> Iterable[str]:
    command = command_to_type()
    yield f"# Open {url}/ in a browser for the status page; Prometheus scrapes {url}/metrics"
    yield f"# The alert rules expect the scrape job to be named {_SCRAPE_JOB} (see README.md)."
    yield "# A risk event happens every few seconds: watch cloudflare_zt_risk_events_total."
    yield "#"
    yield "# To list the simulated users and behaviors, paste this into a second terminal, in this"
    yield "# folder:"
    yield from assignments(simulator)
    yield EXPORT
    yield f"{command} users list"
    yield f"{command} behaviors list"
    yield f"{command} check"
    yield from other_names(simulator)
    yield "#"
    yield "# Ctrl-C ends the demo."


def _simulate_lines(simulator: Simulator) -> Iterable[str]:
    yield from assignments(simulator)
    yield f"# Paste these lines into a second terminal, and then: {EXPORT}"
    yield from other_names(simulator)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(line)


def _stop_signal() -> asyncio.Future[signal.Signals]:
    """Return a future of the first SIGINT or SIGTERM that the process gets."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[signal.Signals] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return stopped


def _listen_address(text: str) -> ListenAddress:
    try:
        return read_listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
