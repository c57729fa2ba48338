"""The parser of commands, and every setting as a flag, made from the settings themselves."""

import argparse
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from exporter.settings import OPTIONS, Option

CREDENTIALS_HELP = (
    "The API token has no flag, because every user of a machine can read its command lines: set "
    "CLOUDFLARE_API_TOKEN, or name a file that holds it with --api-token-file."
)

_LONGEST_QUOTED = 30
"""Characters of a word that a message repeats; a token is longer."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are two lines, and name the nearest known command or flag."""

    def __init__(self, **keywords: Any) -> None:  # those of ArgumentParser
        super().__init__(**{"formatter_class": _HelpFormatter, "allow_abbrev": False, **keywords})

    @property
    def commands(self) -> Mapping[str, "CommandParser"]:
        """The parsers of the commands that this one has; empty if it has none."""
        for action in self._actions:
            if action.nargs == argparse.PARSER and isinstance(action.choices, dict):
                return action.choices
        return {}

    def parser_of(self, words: Sequence[str]) -> "CommandParser":
        """Return the parser of the command that `words` begin with.

        Exits with status 2 if there is no such command.
        """
        commands = self.commands
        if not commands or (words and words[0] in self._option_string_actions):
            return self
        if not words:
            self.error(f"a command is missing: one of {', '.join(commands)}")
        if words[0] not in commands:
            self.error(_complaint_about_command(words[0], commands))
        return commands[words[0]].parser_of(words[1:])

    def unknown_flag(self, flag: str) -> str:
        """Return an unknown flag for a message, with the nearest known one."""
        nearest = _nearest(flag, self._option_string_actions)
        return f"{flag} (did you mean {nearest}?)" if nearest else flag

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message, without repeating all flags."""
        self.exit(2, f"{self.prog}: {message}\n`{self.prog} --help` lists what can be given.\n")


class _HelpFormatter(argparse.HelpFormatter):
    """Breaks no line inside a flag, so that it can be copied."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        words = " ".join(text.split())
        return textwrap.wrap(words, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))


def _complaint_about_command(word: str, commands: Iterable[str]) -> str:
    known = ", ".join(commands)
    if word.startswith("-"):
        return f"the command comes before its flags: one of {known}"
    nearest = _nearest(word, commands)
    name = f" {word!r}" if len(word) < _LONGEST_QUOTED else ""
    return (
        f"unknown command{name}; {f'did you mean {nearest}?' if nearest else f'there are: {known}'}"
    )


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant: one that begins so, or is spelt nearly so."""
    names = sorted(known)
    beginnings = [name for name in names if len(word) > len("--") and name.startswith(word)]
    return next(iter(beginnings or get_close_matches(word, names, n=1)), None)


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
    about = "Each is also a variable, named in brackets; a flag wins over its variable."
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
    """Return the setting flags that were given, by the options' names."""
    values: dict[str, object] = vars(arguments)
    return {
        option.name: value
        for option in OPTIONS
        if isinstance(value := values.get(option.name), str)
    }
