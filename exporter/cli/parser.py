"""The argument parser of all commands: its errors, suggestions and line breaks."""

import argparse
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

CREDENTIALS_HELP = (
    "The API token has no flag, because every user of a machine can read its command lines: set "
    "CLOUDFLARE_API_TOKEN, or name a file that holds it with --api-token-file."
)

_LONGEST_QUOTED = 30
"""Characters of a word that a message repeats; a token is longer."""


class CommandParser(argparse.ArgumentParser):
    """A parser with errors of two lines that suggest the nearest known command or flag."""

    def __init__(self, **keywords: Any) -> None:  # those of ArgumentParser
        super().__init__(**{"formatter_class": _HelpFormatter, "allow_abbrev": False, **keywords})

    @property
    def commands(self) -> Mapping[str, "CommandParser"]:
        """The parsers of its subcommands by name; empty if it has none."""
        for action in self._actions:
            if action.nargs == argparse.PARSER and isinstance(action.choices, dict):
                return action.choices
        return {}

    def parser_of(self, words: Sequence[str]) -> "CommandParser":
        """Return the parser of the command with which `words` begin.

        Exits with status 2 if there is no such command.
        """
        commands = self.commands
        if not commands or (words and words[0] in self._option_string_actions):
            return self
        if not words:
            self.error(f"a command is missing; commands: {', '.join(commands)}")
        if words[0] not in commands:
            self.error(_unknown_command(words[0], commands))
        return commands[words[0]].parser_of(words[1:])

    def suggestion(self, flag: str) -> str:
        """Return an unknown flag for a message, with the nearest known one."""
        nearest = _nearest(flag, self._option_string_actions)
        return f"{flag} (did you mean {nearest}?)" if nearest else flag

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 after the message, without the usage text."""
        self.exit(2, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")


class _HelpFormatter(argparse.HelpFormatter):
    """Breaks no line inside a flag, so that it can be copied."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        words = " ".join(text.split())
        return textwrap.wrap(words, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))


def _unknown_command(word: str, commands: Iterable[str]) -> str:
    known = ", ".join(commands)
    if word.startswith("-"):
        return f"the command comes before its flags; commands: {known}"
    nearest = _nearest(word, commands)
    name = f" {word!r}" if len(word) < _LONGEST_QUOTED else ""
    return (
        f"unknown command{name}; {f'did you mean {nearest}?' if nearest else f'commands: {known}'}"
    )


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the first known word with this beginning, else the one with the nearest spelling."""
    names = sorted(known)
    beginnings = [name for name in names if len(word) > len("--") and name.startswith(word)]
    return next(iter(beginnings or get_close_matches(word, names, n=1)), None)
