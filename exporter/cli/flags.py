"""Every setting as a flag, made from the settings themselves."""

import argparse
from collections.abc import Collection, Mapping, Sequence

from exporter.settings import OPTIONS, Option


def flag_options(*, without: Collection[str] = ()) -> Sequence[Option]:
    """Return the options that have a flag, leaving out those named in `without`."""
    return tuple(option for option in OPTIONS if option.flag and option.name not in without)


def add_setting_flags(
    parser: argparse.ArgumentParser,
    options: Sequence[Option],
    *,
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Give `parser` a flag for each of `options`.

    `defaults` tells a command's own defaults, for the help text alone.
    """
    group = parser.add_argument_group(
        "settings", "Each is also a variable, named in brackets; a flag wins over its variable."
    )
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
    """Return the setting flags that were given, by the options' names."""
    values: dict[str, object] = vars(arguments)
    return {
        option.name: value
        for option in OPTIONS
        if isinstance(value := values.get(option.name), str)
    }
