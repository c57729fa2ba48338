"""What the operator decided, read once from flags, environment and file into one frozen value."""

from exporter.settings.loading import load_settings
from exporter.settings.model import AccountSettings, Settings
from exporter.settings.options import OPTIONS, Option, settings_table
from exporter.settings.values import (
    Identity,
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
    "Identity",
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
