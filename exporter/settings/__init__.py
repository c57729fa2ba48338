"""The exporter's settings, read from a file, the environment and flags into one frozen value."""

from collections.abc import Mapping

from exporter.settings.model import AccountSettings, Settings
from exporter.settings.options import OPTIONS, Option, settings_table
from exporter.settings.values import (
    ListenAddress,
    LogFormat,
    LogLevel,
    MemoryState,
    SqliteState,
    State,
    UsersMinLevel,
)

__all__ = [
    "OPTIONS",
    "AccountSettings",
    "ListenAddress",
    "LogFormat",
    "LogLevel",
    "MemoryState",
    "Option",
    "Settings",
    "SqliteState",
    "State",
    "UsersMinLevel",
    "load_settings",
    "settings_table",
]


def load_settings(*, flags: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Return the settings from defaults, file, environment and flags; a later one wins.

    `flags` maps the names of options (`poll_interval`, `config`) to their texts. Raises
    ConfigurationError listing every problem by the variable, flag or file key that holds the
    value; no message contains a token.
    """
    from exporter.settings.sources import load_settings as load  # noqa: PLC0415 (see below)

    # A command's --help needs the options alone; pydantic-settings doubles the time to import them.
    return load(flags=flags, environ=environ)
