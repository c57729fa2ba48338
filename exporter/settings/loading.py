"""From what was written to `Settings`, or to one error that lists everything that is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.errors import ConfigurationError
from exporter.settings.accounts import account_places, collect_accounts
from exporter.settings.model import AccountSettings, Settings
from exporter.settings.options import PREFIX
from exporter.settings.sources import (
    Given,
    Layer,
    Place,
    read_environment,
    read_file,
    read_flags,
    unknown,
)

_PLAIN_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "model_type": "must hold keys and values, such as account_id",
    "path_type": "must be a path",
}
"""What to say in place of pydantic's messages that name types of Python."""


def load_settings(*, flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Read defaults, file, environment and flags; the later of these wins.

    `flags` maps options' names (`poll_interval`, `config`) to what was written. Raises
    ConfigurationError listing every problem, each under the name its writer knows it by, and
    without a token.
    """
    problems: list[str] = []
    layers = _read_layers(flags, environ, problems)
    settings = _validated(layers, environ, problems)
    if settings is None or problems:
        raise ConfigurationError(_message(problems))
    return settings


def _read_layers(
    flags: Mapping[str, str], environ: Mapping[str, str], problems: list[str]
) -> Sequence[Layer]:
    from_flags = read_flags(flags)
    from_environment = read_environment(environ, problems)
    config = from_flags.get("config") or from_environment.get("config")
    from_file = read_file(Path(str(config.value)), problems) if config else {}
    return (from_file, from_environment, from_flags)


def _validated(
    layers: Sequence[Layer], environ: Mapping[str, str], problems: list[str]
) -> Settings | None:
    given: dict[str, Given] = {}
    for layer in layers:
        given.update({name: layer[name] for name in Settings.model_fields if name in layer})
    accounts = collect_accounts(layers, problems)
    given.pop("accounts", None)
    if accounts is not None:
        given["accounts"] = accounts
    values = {name: each.value for name, each in given.items()}
    try:
        return Settings.model_validate(values, context=environ)
    except ValidationError as error:
        places = {name: each.place for name, each in given.items()}
        problems.extend(
            _problem(details, places, account_places(layers))
            for details in error.errors(include_url=False, include_input=False)
            if details["loc"][:1] != ("accounts",) or accounts is not None
        )
    return None


def _problem(
    details: ErrorDetails, places: Mapping[str, Place], short_way: Mapping[str, Place]
) -> str:
    place = _place(details["loc"], places, short_way)
    if details["type"] == "extra_forbidden":
        return unknown(place, str(details["loc"][-1]), AccountSettings.model_fields)
    plain = _PLAIN_WORDS.get(details["type"], details["msg"].removeprefix("Value error, "))
    return f"{place}: {plain}"


def _place(
    location: Sequence[int | str], places: Mapping[str, Place], short_way: Mapping[str, Place]
) -> Place:
    first = str(location[0])
    place = places.get(first, Place(f"{PREFIX}{first.upper()}"))
    if first != "accounts" or place.name == "accounts":
        return place.inside(*location[1:])
    return short_way.get(str(location[-1]), place)


def _message(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n".join((f"{len(problems)} problems:", *(f"  {problem}" for problem in problems)))
