"""Settings from the file, the environment and the flags, with the origin of each value.

pydantic-settings matches the names of one source at a time with the model, so that an error can
name the variable, flag or key that holds the wrong value.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    SettingsConfigDict,
)

from exporter.config_file import (
    ConfigFile,
    Origin,
    known_names,
    plain_message,
    read_config_file,
    unknown_name,
)
from exporter.errors import ConfigurationError
from exporter.settings.model import PREFIX, AccountShorthand, Settings
from exporter.settings.options import OPTIONS

_FILE_KEYS = ("accounts", *(option.name for option in OPTIONS if option.name != "config"))
_PATH_KEYS = frozenset({"api_token_file", "web_config_file"})
_TOKEN_KEYS = ("api_token", "api_token_file")

# A Kubernetes Service named risk-exporter sets these in every pod of its namespace:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(
    r"""(?:[A-Z0-9_]+_)?
        (?:SERVICE_HOST=.*|SERVICE_PORT(?:_[A-Z0-9_]+)?=\d+|PORT=(?:tcp|udp|sctp)://.*
        |PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?=.*)""",
    re.VERBOSE,
)

_MISSING_ACCOUNT = (
    "no account: set CLOUDFLARE_ACCOUNT_ID, or `accounts` in a file; the command `demo` needs none"
)
_MISSING_CREDENTIALS = (
    "no token: set CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE; the command `demo` needs none"
)


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value before validation, and its origin."""

    value: object
    origin: Origin


Source = Mapping[str, RawValue]
"""The values of one source, by the names of the options."""


def load_settings(*, flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Validate the values of the file, the environment and the flags; a later source wins.

    Raises ConfigurationError listing every problem; see `exporter.settings.load_settings`.
    """
    problems: list[str] = []
    sources = _read_sources(flags, environ, problems)
    settings = _validate(sources, environ, problems)
    if settings is None or problems:
        raise ConfigurationError(_join(problems))
    return settings


def _join(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n".join((f"{len(problems)} problems:", *(f"  {problem}" for problem in problems)))


# Sources ------------------------------------------------------------------------------------------


class _SettingsInput(Settings, AccountShorthand, BaseSettings):
    """The fields that sources can set. It is never instantiated."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, enable_decoding=False, validate_by_name=True, defer_build=True
    )


_OPTION_NAMES: Mapping[str, str] = MappingProxyType(
    {
        str(field.validation_alias): name
        for name, field in _SettingsInput.model_fields.items()
        if field.validation_alias
    }
)
"""pydantic-settings returns values by a field's alias, if it has one."""


def _read_sources(
    flags: Mapping[str, str], environ: Mapping[str, str], problems: list[str]
) -> Sequence[Source]:
    from_flags = _read_flags(flags)
    from_environment = _read_environment(environ, problems)
    config = from_flags.get("config") or from_environment.get("config")
    from_file = _read_file(Path(str(config.value)), problems) if config else {}
    return (from_file, from_environment, from_flags)


def _source(values: Mapping[str, object], origin_of: Callable[[str], Origin]) -> Source:
    by_name = {_OPTION_NAMES.get(key, key): value for key, value in values.items()}
    return {name: RawValue(value, origin_of(name)) for name, value in by_name.items()}


def _read_flags(flags: Mapping[str, str]) -> Source:
    """Return the values of the flags, which are given by the options' names."""
    flag_names = {option.name: option.flag for option in OPTIONS if option.flag}
    given = {name: text for name, text in flags.items() if text and name in flag_names}
    values = InitSettingsSource(_SettingsInput, given)()
    return _source(values, lambda name: Origin(flag_names[name]))


def _read_environment(environ: Mapping[str, str], problems: list[str]) -> Source:
    """Return the values of the variables. An empty variable counts as not set."""
    variables = {option.variable: option.name for option in OPTIONS}
    problems.extend(
        _unknown_variable(name)
        for name, value in environ.items()
        if name.startswith(PREFIX)
        and name not in variables
        and value
        and not _SERVICE_LINK.fullmatch(f"{name.removeprefix(PREFIX)}={value}")
    )
    source = EnvSettingsSource(_SettingsInput)
    # Only variables in upper case: pydantic-settings compares names in lower case.
    source.env_vars = {
        name.lower(): value for name, value in environ.items() if name in variables and value
    }
    variable_names = {option.name: option.variable for option in OPTIONS}
    return _source(source(), lambda name: Origin(variable_names[name]))


def _read_file(path: Path, problems: list[str]) -> Source:
    """Return the values of the YAML file at `path`. A key without a value counts as not set.

    Relative paths in the file are relative to its folder, as in Prometheus's own configuration.
    pydantic-settings' YAML source is not used, because it takes a missing file or a pipe for an
    empty file and keeps the last of several equal keys.
    """
    file, content = _parse(path, problems)
    given: dict[str, object] = {}
    for key, value in content.items():
        if key not in _FILE_KEYS:
            problems.append(unknown_name(file.origin(str(key)), str(key), _FILE_KEYS))
        elif value is not None:
            given[str(key)] = _resolve(str(key), value, path.parent)
    values = InitSettingsSource(_SettingsInput, given)()
    return _source(values, file.origin)


def _unknown_variable(name: str) -> str:
    """Compare names without their prefixes: CLOUDFLARE_API_TOKEN for RISK_EXPORTER_API_TOKEN."""
    prefixes = re.compile(rf"{PREFIX}|CLOUDFLARE_")
    variables = {prefixes.sub("", option.variable, count=1): option.variable for option in OPTIONS}
    nearest = get_close_matches(name.removeprefix(PREFIX), variables, n=1, cutoff=0.0)[0]
    return f"{name}: unknown; the nearest known name is {variables[nearest]}"


def _parse(path: Path, problems: list[str]) -> tuple[ConfigFile, Mapping[object, object]]:
    try:
        file = read_config_file(path)
    except ConfigurationError as error:
        problems.extend(str(error).splitlines())
        return ConfigFile(path, None), {}
    if isinstance(file.content, dict):
        return file, file.content
    if file.content is not None:
        problems.append(f"{path}: must hold keys and values, such as poll_interval: 60s")
    return file, {}


def _resolve(key: str, value: object, folder: Path) -> object:
    if key in _PATH_KEYS and isinstance(value, str):
        return str(folder / value)
    if key == "accounts" and isinstance(value, list):
        return [_resolve_account(account, folder) for account in value]
    return value


def _resolve_account(account: object, folder: Path) -> object:
    if not isinstance(account, dict):
        return account
    return {
        str(key): _resolve(str(key), value, folder)
        for key, value in account.items()
        if value is not None
    }


# Accounts -----------------------------------------------------------------------------------------


def _collect_accounts(sources: Sequence[Source], problems: list[str]) -> RawValue | None:
    """Return the raw list of accounts, or None if `problems` say why there is none.

    A token outside the list is the token of each account that has none. A list beside a single
    account id is rejected, and so is an outside token that no account uses, because one of the
    two must be a mistake.
    """
    token = _shared_token(sources, problems)
    single = _highest(sources, "account_id")
    listed = _highest(sources, "accounts")
    if listed is None:
        return _single_account(single, token, problems)
    if single is not None:
        problems.append(f"{single.origin}: cannot stand beside {listed.origin}; keep one of them")
    if not isinstance(listed.value, list) or not listed.value:
        problems.append(f"{listed.origin}: must be a list with at least one account")
        return None
    return RawValue(_with_tokens(listed, token, problems), listed.origin)


def _highest(sources: Sequence[Source], name: str) -> RawValue | None:
    return next((source[name] for source in reversed(sources) if name in source), None)


def _shared_token(sources: Sequence[Source], problems: list[str]) -> Source:
    """Return the token, or the token file, of the highest source that has one."""
    for source in reversed(sources):
        token = {key: source[key] for key in _TOKEN_KEYS if key in source}
        if len(token) > 1:
            one, other = (token[key].origin for key in _TOKEN_KEYS)
            problems.append(f"{one}: cannot stand beside {other}; keep one of them")
        if token:
            return token
    return {}


def _single_account(
    account: RawValue | None, token: Source, problems: list[str]
) -> RawValue | None:
    if account is None:
        problems.append(_MISSING_ACCOUNT)
    if not token:
        problems.append(_MISSING_CREDENTIALS)
    if account is None or len(token) != 1:
        return None
    entry = {key: raw.value for key, raw in token.items()}
    return RawValue([{"account_id": account.value, **entry}], account.origin)


def _with_tokens(listed: RawValue, token: Source, problems: list[str]) -> Sequence[object]:
    accounts = listed.value if isinstance(listed.value, list) else []
    without = [
        index
        for index, account in enumerate(accounts)
        if isinstance(account, dict) and not any(key in account for key in _TOKEN_KEYS)
    ]
    if not token:
        problems.extend(
            f"{listed.origin.inside(index)}: {_MISSING_CREDENTIALS}" for index in without
        )
    elif all(isinstance(account, dict) for account in accounts) and not without:
        origin = next(iter(token.values())).origin
        problems.append(
            f"{origin}: not used: every account has a token of its own ({listed.origin})"
        )
    shared = {key: raw.value for key, raw in token.items()}
    return [
        {**account, **shared} if index in without else account
        for index, account in enumerate(accounts)
    ]


# Validation ---------------------------------------------------------------------------------------


def _validate(
    sources: Sequence[Source], environ: Mapping[str, str], problems: list[str]
) -> Settings | None:
    raw: dict[str, RawValue] = {}
    for source in sources:
        raw.update({name: source[name] for name in Settings.model_fields if name in source})
    accounts = _collect_accounts(sources, problems)
    raw.pop("accounts", None)
    if accounts is not None:
        raw["accounts"] = accounts
    values = {name: each.value for name, each in raw.items()}
    try:
        return Settings.model_validate(values, context=environ)
    except ValidationError as error:
        problems.extend(_problems(error, raw, sources))
    return None


def _problems(
    error: ValidationError, raw: Mapping[str, RawValue], sources: Sequence[Source]
) -> Iterator[str]:
    for details in error.errors(include_url=False, include_input=False):
        location = details["loc"]
        if location[0] == "accounts" and "accounts" not in raw:
            continue  # the missing account is a problem already
        origin = _origin(location, raw, sources)
        if details["type"] == "extra_forbidden":
            yield unknown_name(origin, str(location[-1]), known_names(Settings, location[:-1]))
        elif details["type"] == "model_type":
            yield f"{origin}: {plain_message(details)}, such as account_id"
        else:
            yield f"{origin}: {plain_message(details)}"


def _origin(
    location: Sequence[int | str], raw: Mapping[str, RawValue], sources: Sequence[Source]
) -> Origin:
    first = str(location[0])
    if first not in raw:
        return Origin(f"{PREFIX}{first.upper()}")
    origin = raw[first].origin
    if first != "accounts" or origin.name == "accounts":
        return origin.inside(*location[1:])
    shorthand = _highest(sources, str(location[-1]))
    return shorthand.origin if shorthand else origin
