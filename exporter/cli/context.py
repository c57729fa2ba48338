"""What all commands that call the API have in common: settings, account, confirmation."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from exporter.app.api_call import ApiCall, call_api
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.output import print_error, printable
from exporter.cli.parser import CREDENTIALS_HELP, CommandParser
from exporter.cli.running import run
from exporter.clock import SystemClock
from exporter.errors import ConfigurationError, ExporterError
from exporter.logs import configure_logging
from exporter.settings import OPTIONS, AccountSettings, Settings, load_settings

_USED_SETTINGS = frozenset(
    {
        "account_id",
        "api_timeout",
        "api_token_file",
        "api_url",
        "config",
        "log_format",
        "log_level",
    }
)
"""Settings of a single API call; the others concern polling and serving."""

_NO_STATE = {"RISK_EXPORTER_STATE": "memory:"}
"""These commands keep no state, so the configured one need not be usable."""

_Value = TypeVar("_Value")


class DeclinedError(ExporterError):
    """The change was not confirmed, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The settings and the account of one command, and how it prints and confirms."""

    settings: Settings
    account: AccountSettings
    wants_json: bool
    is_confirmed: bool

    def call_api(self, call: ApiCall[_Value], *, permission: str) -> _Value:
        """Return the value of an API call; report unreadable rows on standard error.

        Raises PollErrors. Their messages name `permission`, which the call needs.
        """
        result = run(
            call_api(
                self.settings,
                self.account,
                call,
                permission=permission,
                clock=SystemClock(),
            )
        )
        if result.unreadable_rows:
            print_error(f"unreadable rows, left out: {result.unreadable_rows}")
        return result.value

    def confirm(self, plan: Iterable[str]) -> None:
        """Return if the user confirms the change; `plan` describes it, one line each.

        Raises DeclinedError otherwise.
        """
        if self.is_confirmed:
            return
        for line in (f"In account {self.account.name}:", *plan):
            print_error(line)
        print("Continue? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise DeclinedError("nothing was changed")


def open_context(arguments: argparse.Namespace) -> CommandContext:
    """Read the settings and select the account.

    Raises ConfigurationError if either is wrong, and if a confirmation is needed without a
    terminal to ask for it.
    """
    settings = load_settings(flags=given_flags(arguments), environ={**os.environ, **_NO_STATE})
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    is_confirmed: bool = arguments.yes
    if not is_confirmed and not _is_at_terminal():
        raise ConfigurationError(
            "this command changes something and cannot ask for confirmation, because there is no "
            "terminal; confirm with --yes"
        )
    return CommandContext(
        settings, _select_account(settings, arguments.account), arguments.json, is_confirmed
    )


def _is_at_terminal() -> bool:
    streams = (sys.stdin, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def _select_account(settings: Settings, name: str | None) -> AccountSettings:
    """Return the account of that name or id; without one, the only account.

    Raises ConfigurationError with the known names if there is no such account, or several.
    """
    accounts = settings.accounts
    names = ", ".join(printable(account.name) for account in accounts)
    if name is None:
        if len(accounts) > 1:
            raise ConfigurationError(
                f"several accounts are configured; choose one with --account: {names}"
            )
        return accounts[0]
    for account in accounts:
        if name in {account.name, account.account_id}:
            return account
    raise ConfigurationError(f"--account: no such account is configured; known accounts: {names}")


Subcommands: TypeAlias = "argparse._SubParsersAction[CommandParser]"  # noqa: SLF001  # has no public name


def add_subcommands(parser: CommandParser, *, about: str) -> Subcommands:
    """Make `parser` one that has subcommands, and return the action that takes them."""
    parser.description, parser.epilog = about, CREDENTIALS_HELP
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_api_command(
    commands: Subcommands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    about: str,
    changes: bool = False,
) -> CommandParser:
    """Add a command that calls the API; one that changes something asks for confirmation."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument(
        "--account", metavar="NAME", help="the account's name or id, if there are several"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    if changes:
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    others = {option.name for option in OPTIONS} - _USED_SETTINGS
    add_setting_flags(parser, flag_options(without=others))
    parser.set_defaults(run=run, **({} if changes else {"yes": True}))
    return parser
