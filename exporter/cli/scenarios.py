"""The flags that choose a scenario, and the text that points other commands at its simulator."""

import argparse
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.simulator import Scenario, Simulator, load_scenario


def add_scenario_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose a scenario to `parser`."""
    group = parser.add_argument_group("simulation")
    group.add_argument(
        "--scenario", type=Path, metavar="FILE", help="a YAML file that describes the world"
    )
    group.add_argument(
        "--users", type=_whole_number, metavar="N", help="how many users each account has"
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="the same seed makes the same world again"
    )
    group.add_argument(
        "--speed", type=_positive_number, metavar="X", help="simulated seconds in a real one"
    )


def chosen_scenario(arguments: argparse.Namespace) -> Scenario:
    """Return the scenario of the file, or the default one, with the flags' values put in.

    Raises ConfigurationError if the file is wrong.
    """
    path: Path | None = arguments.scenario
    scenario = Scenario() if path is None else load_scenario(path)
    return scenario.with_overrides(
        users=arguments.users, seed=arguments.seed, speed=arguments.speed
    )


def assignments(simulator: Simulator) -> Sequence[str]:
    """Return the shell assignments that point a command at the simulator, one a line.

    They name the first account and the first token of the scenario; see `other_names`.
    """
    token = next(iter(simulator.tokens.values()))
    account_id = next(iter(simulator.account_ids.values()))
    return (
        f"CLOUDFLARE_API_TOKEN={shlex.quote(token)}",
        f"CLOUDFLARE_ACCOUNT_ID={account_id}",
        f"RISK_EXPORTER_API_URL={simulator.api_url}",
    )


EXPORT = "export CLOUDFLARE_API_TOKEN CLOUDFLARE_ACCOUNT_ID RISK_EXPORTER_API_URL"
"""The shell command that makes `assignments` visible to the commands after it."""


def other_names(simulator: Simulator) -> Sequence[str]:
    """Return the scenario's other tokens and accounts as shell comments, one a line."""
    return (
        *(f"# token {name}: {shlex.quote(one)}" for name, one in _after_first(simulator.tokens)),
        *(f"# account {name}: {one}" for name, one in _after_first(simulator.account_ids)),
    )


def _after_first(values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return tuple(values.items())[1:]


def command_to_type() -> str:
    """Return the shell words that run this installation's `cloudflare-risk-exporter`.

    The path is relative if it is below the working folder. An installation without the program
    is run as a module.
    """
    interpreter = Path(sys.executable)
    installed = interpreter.with_name("cloudflare-risk-exporter")
    if installed.exists():
        return shlex.quote(_below_here(installed))
    return f"{shlex.quote(_below_here(interpreter))} -m exporter"


def _below_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than nothing")
    return number


def _positive_number(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return number


# What argparse calls these in its own message for text that is no number at all.
_whole_number.__name__ = "whole number"
_positive_number.__name__ = "number"
