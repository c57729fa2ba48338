"""Which world to simulate, from flags; and what others need to know of it, as text."""

import argparse
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from exporter.simulator import Scenario, Simulator, load_scenario


def add_scenario_flags(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the flags that describe a world."""
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
    """Return the scenario of the file, or the usual one, with what the flags put in.

    Raises ConfigurationError where the file is wrong.
    """
    path: Path | None = arguments.scenario
    scenario = Scenario() if path is None else load_scenario(path)
    return scenario.with_overrides(
        users=arguments.users, seed=arguments.seed, speed=arguments.speed
    )


def assignments(simulator: Simulator) -> Sequence[str]:
    """Return what points an exporter at the simulator, as shell assignments.

    Of several accounts and tokens these are the first ones; the others follow as comments.
    """
    (_, token), *other_tokens = simulator.tokens.items()
    (_, account_id), *other_accounts = simulator.account_ids.items()
    return (
        f"CLOUDFLARE_API_TOKEN={shlex.quote(token)}",
        f"CLOUDFLARE_ACCOUNT_ID={account_id}",
        f"RISK_EXPORTER_API_URL={simulator.api_url}",
        *(f"# token {name}: {shlex.quote(value)}" for name, value in other_tokens),
        *(f"# account {name}: {value}" for name, value in other_accounts),
    )


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
