"""The places settings are written in, each read into a layer of the same shape.

Nothing is judged here but names: an unknown one is a problem that tells the nearest known.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from exporter.config_file import read_yaml
from exporter.errors import ConfigurationError
from exporter.settings.options import CONFIG, OPTIONS, PREFIX

_FILE_KEYS = ("accounts", *(option.name for option in OPTIONS if option is not CONFIG))
_PATH_KEYS = frozenset({"api_token_file", "web_config_file"})

# A Kubernetes Service named risk-exporter puts these into every pod of its namespace:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(
    r"""(?:[A-Z0-9_]+_)?
        (?:SERVICE_HOST=.*|SERVICE_PORT(?:_[A-Z0-9_]+)?=\d+|PORT=(?:tcp|udp|sctp)://.*
        |PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?=.*)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written, in the writer's own words."""

    name: str
    file: Path | None = None

    def inside(self, *steps: str | int) -> "Place":
        """Return the place of a part: a number is an index, a text a key."""
        name = self.name
        for step in steps:
            name += f"[{step}]" if isinstance(step, int) else f".{step}"
        return Place(name, self.file)

    def __str__(self) -> str:
        """Return the place as messages name it."""
        return f"{self.name} in {self.file}" if self.file else self.name


@dataclass(frozen=True, slots=True)
class Given:
    """A value not yet read, and where it was written."""

    value: object
    place: Place


Layer = Mapping[str, Given]
"""What one source gives, by the options' names."""


def read_flags(flags: Mapping[str, str]) -> Layer:
    """Return what the command line gives; `flags` has the options' names as keys."""
    return {
        option.name: Given(flags[option.name], Place(option.flag))
        for option in OPTIONS
        if option.flag and flags.get(option.name)
    }


def read_environment(environ: Mapping[str, str], problems: list[str]) -> Layer:
    """Return what variables give. One that is set to nothing counts as not set."""
    known = {option.variable: option.name for option in OPTIONS}
    problems.extend(
        _unknown_variable(name)
        for name, value in environ.items()
        if name.startswith(PREFIX)
        and name not in known
        and value
        and not _SERVICE_LINK.fullmatch(f"{name.removeprefix(PREFIX)}={value}")
    )
    return {
        name: Given(environ[variable], Place(variable))
        for variable, name in known.items()
        if environ.get(variable)
    }


def read_file(path: Path, problems: list[str]) -> Layer:
    """Return what the YAML file at `path` gives. A key without a value counts as not set.

    Files it names are looked for beside it, as Prometheus does with its own configuration.
    """
    keys = _parse(path, problems)
    layer: dict[str, Given] = {}
    for key, value in keys.items():
        place = Place(str(key), path)
        if key not in _FILE_KEYS:
            problems.append(unknown(place, str(key), _FILE_KEYS))
        elif value is not None:
            layer[str(key)] = Given(_resolved(str(key), value, path.parent), place)
    return layer


def unknown(place: Place, name: str, known: Collection[str]) -> str:
    """Return the problem of a name nobody knows, with the nearest one."""
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"{place}: unknown; the nearest known name is {nearest}"


def _unknown_variable(name: str) -> str:
    """Compare what follows the prefixes: of RISK_EXPORTER_API_TOKEN the nearest is the token."""
    prefixes = re.compile(rf"{PREFIX}|CLOUDFLARE_")
    variables = {prefixes.sub("", option.variable, count=1): option.variable for option in OPTIONS}
    nearest = get_close_matches(name.removeprefix(PREFIX), variables, n=1, cutoff=0.0)[0]
    return f"{name}: unknown; the nearest known name is {variables[nearest]}"


def _parse(path: Path, problems: list[str]) -> Mapping[object, object]:
    try:
        content = read_yaml(path)
    except ConfigurationError as error:
        problems.extend(str(error).splitlines())
        return {}
    if isinstance(content, dict):
        return content
    if content is not None:
        problems.append(f"{path}: must hold keys and values, such as poll_interval: 60s")
    return {}


def _resolved(key: str, value: object, folder: Path) -> object:
    if key in _PATH_KEYS and isinstance(value, str):
        return str(folder / value)
    if key == "accounts" and isinstance(value, list):
        return [_resolved_account(account, folder) for account in value]
    return value


def _resolved_account(account: object, folder: Path) -> object:
    if not isinstance(account, dict):
        return account
    return {
        str(key): _resolved(str(key), value, folder)
        for key, value in account.items()
        if value is not None
    }
