"""How commands that ask the API for a person begin, ask, and get a person's consent."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from exporter.app.asking import Question, ask
from exporter.cli.flags import CREDENTIALS_HELP, add_setting_flags, flag_options, given_flags
from exporter.cli.printing import printable, tell
from exporter.cli.running import run
from exporter.clock import SystemClock
from exporter.errors import ConfigurationError, ExporterError
from exporter.logs import configure_logging
from exporter.settings import OPTIONS, AccountSettings, Settings, load_settings

_NEEDED = frozenset(
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
"""Settings of how one question is asked; the others are about polling and serving."""

_NO_STATE = {"RISK_EXPORTER_STATE": "memory:"}
"""Nothing is kept, so that there need not be any place to keep it."""

_Value = TypeVar("_Value")


class DeclinedError(ExporterError):
    """Somebody was asked whether to go on, and did not say yes: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One command's talk with the API of one account, and with the person who typed it."""

    settings: Settings
    account: AccountSettings
    wants_json: bool
    has_consent: bool

    def ask(self, question: Question[_Value], *, permission: str) -> _Value:
        """Ask the API; what could not be understood of the answer is told on standard error.

        Raises PollErrors. `permission` is what the question needs, for their messages.
        """
        answer = run(
            ask(
                self.settings,
                self.account,
                question,
                permission=permission,
                clock=SystemClock(),
            )
        )
        if answer.unreadable_rows:
            tell(f"left out, because they could not be understood: {answer.unreadable_rows}")
        return answer.value

    def get_consent(self, plan: Iterable[str]) -> None:
        """Return where whoever typed this wants it done; `plan` says in lines what will change.

        Raises DeclinedError where they do not.
        """
        if self.has_consent:
            return
        for line in (f"In account {self.account.name}:", *plan):
            tell(line)
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise DeclinedError("nothing was changed")


def begin(arguments: argparse.Namespace) -> Conversation:
    """Read the settings and choose the account.

    Raises ConfigurationError where either is wrong, and where consent is needed and there is
    nobody to ask for it.
    """
    settings = load_settings(flags=given_flags(arguments), environ={**os.environ, **_NO_STATE})
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    has_consent: bool = arguments.yes
    if not has_consent and not _is_at_terminal():
        raise ConfigurationError(
            "this changes something, and there is no terminal to ask at: say --yes"
        )
    return Conversation(
        settings, choose_account(settings, arguments.account), arguments.json, has_consent
    )


def _is_at_terminal() -> bool:
    streams = (sys.stdin, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def choose_account(settings: Settings, name: str | None) -> AccountSettings:
    """The account of that name or id; without one, the only account there is.

    Raises ConfigurationError, which tells the names, where that is none or not one.
    """
    accounts = settings.accounts
    names = ", ".join(printable(account.name) for account in accounts)
    if name is None:
        if len(accounts) > 1:
            raise ConfigurationError(f"which account? Say --account with one of: {names}")
        return accounts[0]
    for account in accounts:
        if name in {account.name, account.account_id}:
            return account
    raise ConfigurationError(f"--account: there is no such account; there are: {names}")


def add_group(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, *, about: str
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Add a command that has commands of its own, and return the place to add these."""
    parser = commands.add_parser(name, help=about, description=about, epilog=CREDENTIALS_HELP)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def add_question(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    about: str,
    changes: bool = False,
) -> argparse.ArgumentParser:
    """Add a command that asks the API; `changes`: whether it needs consent."""
    parser = commands.add_parser(name, help=about, description=about)
    parser.add_argument("--account", metavar="NAME", help="which account, where there are several")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    if changes:
        parser.add_argument("--yes", action="store_true", help="do it without asking")
    others = {option.name for option in OPTIONS} - _NEEDED
    add_setting_flags(parser, flag_options(without=others))
    parser.set_defaults(run=run, **({} if changes else {"yes": True}))
    return parser
