"""Every setting as a flag, generated from the settings."""

import argparse
from collections.abc import Collection, Mapping, Sequence

from exporter.cli.parser import CREDENTIALS_HELP
from exporter.settings import OPTIONS, Option

SERVER_SETTINGS = frozenset({"allowed_hosts", "enable_lifecycle", "listen", "web_config_file"})
"""Settings of the web server, without effect in a command that serves nothing."""


def flag_options(*, without: Collection[str] = ()) -> Sequence[Option]:
    """Return the options that have a flag, except those named in `without`."""
    return tuple(option for option in OPTIONS if option.flag and option.name not in without)


def add_setting_flags(
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    *,
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Add a flag to `parser` for each of `options`.

    `defaults` are the command's own defaults, for the help text alone.
    """
    about = (
        "Each setting is also an environment variable, shown in brackets. Flags take precedence."
    )
    if any(option.name == "api_token_file" for option in options):
        about = f"{about} {CREDENTIALS_HELP}"
    group = parser.add_argument_group("settings", about)
    for option in options:
        default = (defaults or {}).get(option.name, option.default)
        is_switch = option.default in {"true", "false"}
        meaning = option.meaning.replace("`", "").replace("%", "%%")
        group.add_argument(
            option.flag or "",
            dest=option.name,
            nargs="?" if is_switch else None,
            const="true" if is_switch else None,
            metavar=option.name.rpartition("_")[2].upper(),
            help=f"{meaning}{f' (default {default})' if default else ''} [{option.variable}]",
        )


def given_flags(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the values of the setting flags that were given, by the options' names."""
    values: dict[str, object] = vars(arguments)
    return {
        option.name: value
        for option in OPTIONS
        if isinstance(value := values.get(option.name), str)
    }
