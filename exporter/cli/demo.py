"""The commands `demo` (exporter and simulator together) and `simulate` (the simulator alone)."""

import argparse
import asyncio
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from exporter.app.serving import serve
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.output import print_line
from exporter.cli.parser import CommandParser
from exporter.cli.running import ending_status, run, stop_deadline
from exporter.clock import SystemClock
from exporter.logs import configure_logging
from exporter.settings import AccountSettings, ListenAddress, Settings, load_settings
from exporter.settings.values import read_listen_address
from exporter.simulator import Scenario, Simulator, load_scenario, run_simulator

_SET_BY_THE_SIMULATOR = frozenset({"config", "api_url", "account_id", "api_token_file"})

_DEMO_DEFAULTS = {"state": "memory:", "poll_interval": "2s", "config_interval": "10s"}
"""A demo shows changes within seconds and leaves no files."""

_SCRAPE_JOB = "cloudflare-risk-exporter"
"""The scrape job's name in the alert rules of deploy/prometheus/."""

_STAND_IN = {
    "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
    "CLOUDFLARE_API_TOKEN": "simulated",
    "CLOUDFLARE_API_TOKEN_FILE": "",
    "RISK_EXPORTER_API_URL": "",
    "RISK_EXPORTER_CONFIG": "",
}
"""Replaces variables that are exported for a real exporter; the simulator sets their values."""


def add_demo_arguments(parser: CommandParser) -> None:
    """Add the arguments of `demo`."""
    parser.description = (
        "Simulate a Cloudflare account on this machine and serve its risk scores at /metrics. "
        "Prints the URLs to open, and commands to paste into a second terminal."
    )
    _add_scenario_flags(parser)
    options = flag_options(without=_SET_BY_THE_SIMULATOR)
    add_setting_flags(parser, options, defaults=_DEMO_DEFAULTS)
    parser.set_defaults(run=_demo)


def add_simulate_arguments(parser: CommandParser) -> None:
    """Add the arguments of `simulate`."""
    parser.description = (
        "Serve Cloudflare's risk-scoring API with generated users and events. Prints the "
        "environment variables with which an exporter polls it."
    )
    parser.add_argument(
        "--listen",
        default="127.0.0.1:0",
        type=_listen_address,
        metavar="LISTEN",
        help="address of the API; port 0 is any free port (default %(default)s)",
    )
    _add_scenario_flags(parser)
    parser.set_defaults(run=_simulate)


def _demo(arguments: argparse.Namespace) -> int:
    settings = _demo_settings(given_flags(arguments), os.environ)
    scenario = _chosen_scenario(arguments)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    with stop_deadline() as on_stopping:
        return ending_status(run(_serve_simulated(settings, scenario, on_stopping)))


def _simulate(arguments: argparse.Namespace) -> int:
    configure_logging(level="info", log_format="auto")
    return ending_status(run(_simulate_alone(_chosen_scenario(arguments), arguments.listen)))


def _demo_settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings of a demo: flags, its own defaults, then the environment.

    A demo never uses a state, an API or a token that is exported for a real exporter.
    """
    defaults = {f"RISK_EXPORTER_{name.upper()}": value for name, value in _DEMO_DEFAULTS.items()}
    return load_settings(flags=flags, environ={**environ, **_STAND_IN, **defaults})


async def _serve_simulated(
    settings: Settings, scenario: Scenario, on_stopping: Callable[[], None]
) -> signal.Signals:
    clock = SystemClock()
    async with run_simulator(scenario, host="127.0.0.1", port=0, clock=clock) as simulator:

        def print_url(url: str) -> None:
            _print_lines(_demo_lines(url, simulator))

        return await serve(
            _with_accounts_of(simulator, settings),
            clock=clock,
            on_ready=print_url,
            on_stopping=on_stopping,
        )


async def _simulate_alone(scenario: Scenario, address: ListenAddress) -> signal.Signals:
    stopped = _stop_signal()
    async with run_simulator(scenario, host=address.host, port=address.port) as simulator:
        _print_lines(_simulate_lines(simulator))
        return await stopped


def _with_accounts_of(simulator: Simulator, settings: Settings) -> Settings:
    """Return the settings with the simulator's accounts, polled with its first token."""
    token = next(iter(simulator.tokens.values()))
    accounts = tuple(
        AccountSettings(
            name=name, account_id=account_id, api_token=SecretStr(token), api_token_file=None
        )
        for name, account_id in simulator.account_ids.items()
    )
    return settings.model_copy(update={"api_url": simulator.api_url, "accounts": accounts})


def _demo_lines(url: str, simulator: Simulator) -> Iterable[str]:
    command = _command_words()
    yield f"# Open {url}/ in a browser for the status page; Prometheus scrapes {url}/metrics"
    yield f"# The alert rules expect the scrape job to be named {_SCRAPE_JOB} (see README.md)."
    yield "# A risk event happens every few seconds and raises cloudflare_zt_risk_events_total."
    yield "#"
    yield "# To list the simulated users and behaviors, paste these lines into a second terminal in"
    yield "# this folder:"
    yield from _assignments(simulator)
    yield _EXPORT
    yield f"{command} users list"
    yield f"{command} behaviors list"
    yield f"{command} check"
    yield from _other_names(simulator)
    yield "#"
    yield "# Ctrl-C ends the demo."


def _simulate_lines(simulator: Simulator) -> Iterable[str]:
    yield from _assignments(simulator)
    yield f"# Paste these lines into a second terminal, and then: {_EXPORT}"
    yield from _other_names(simulator)


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


def _add_scenario_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose a scenario."""
    group = parser.add_argument_group("simulation")
    group.add_argument(
        "--scenario", type=Path, metavar="FILE", help="a YAML file with the scenario"
    )
    group.add_argument(
        "--users", type=_whole_number, metavar="N", help="number of users of each account"
    )
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of the random numbers; equal seeds give equal scenarios",
    )
    group.add_argument(
        "--speed", type=_positive_number, metavar="X", help="simulated seconds per second"
    )


def _chosen_scenario(arguments: argparse.Namespace) -> Scenario:
    """Return the scenario of the file, or the default one, with the values of the flags.

    Raises ConfigurationError if the file is wrong.
    """
    path: Path | None = arguments.scenario
    scenario = Scenario() if path is None else load_scenario(path)
    return scenario.with_overrides(
        users=arguments.users, seed=arguments.seed, speed=arguments.speed
    )


def _assignments(simulator: Simulator) -> Sequence[str]:
    """Return shell assignments with which other commands use the simulator, one a line.

    They contain the first account and the first token of the scenario; see `_other_names`.
    """
    token = next(iter(simulator.tokens.values()))
    account_id = next(iter(simulator.account_ids.values()))
    return (
        f"CLOUDFLARE_API_TOKEN={shlex.quote(token)}",
        f"CLOUDFLARE_ACCOUNT_ID={account_id}",
        f"RISK_EXPORTER_API_URL={simulator.api_url}",
    )


_EXPORT = "export CLOUDFLARE_API_TOKEN CLOUDFLARE_ACCOUNT_ID RISK_EXPORTER_API_URL"
"""The shell command that exports the variables of `_assignments`."""


def _other_names(simulator: Simulator) -> Sequence[str]:
    """Return the scenario's other tokens and accounts as shell comments, one a line."""
    return (
        *(f"# token {name}: {shlex.quote(one)}" for name, one in _after_first(simulator.tokens)),
        *(f"# account {name}: {one}" for name, one in _after_first(simulator.account_ids)),
    )


def _after_first(values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return tuple(values.items())[1:]


def _command_words() -> str:
    """Return the shell words that run this installation's `cloudflare-risk-exporter`.

    The path is relative if it is below the working directory. If the program is not installed,
    the words run the module.
    """
    interpreter = Path(sys.executable)
    installed = interpreter.with_name("cloudflare-risk-exporter")
    if installed.exists():
        return shlex.quote(_relative(installed))
    return f"{shlex.quote(_relative(interpreter))} -m exporter"


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def _positive_number(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


# The names in argparse's message for text that is not a number.
_whole_number.__name__ = "whole number"
_positive_number.__name__ = "number"
