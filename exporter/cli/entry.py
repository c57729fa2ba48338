"""The command line: its commands, its exit statuses, and how signals end it.

Only the module of the command that runs is imported, so that `--help` is fast and a service holds
no code of other commands in memory.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name

from exporter import __version__
from exporter.cli.output import flush_output, print_error
from exporter.cli.parser import CREDENTIALS_HELP, CommandParser
from exporter.errors import ConfigurationError, ExporterError

PROGRAM = "cloudflare-risk-exporter"

COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("serve:add_serve_arguments", "poll and serve /metrics (the default command)"),
    "once": ("serve:add_once_arguments", "poll every account once and print the metrics"),
    "demo": ("demo:add_demo_arguments", "serve /metrics of a simulated Cloudflare account"),
    "simulate": ("demo:add_simulate_arguments", "serve a simulated Cloudflare API only"),
    "backfill": ("backfill:add_arguments", "export past events as OpenMetrics for promtool"),
    "check": ("check:add_arguments", "check configuration, token, quota and files"),
    "users": ("users:add_arguments", "show and reset users' risk levels"),
    "behaviors": ("behaviors:add_arguments", "show and configure risk behaviors"),
    "integrations": ("integrations:add_arguments", "show and manage risk integrations"),
}
"""Command -> the function of `exporter.cli` that adds its arguments, and its line in the help."""

_SERVICES = frozenset({"serve", "demo", "simulate"})
"""Commands that run until a signal."""

_FAILED = 1
_WRONG_USAGE = 2
_STANDARD_ERROR = 2
_INTERRUPTED = 128 + signal.SIGINT  # as in shells


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv`, or in `sys.argv`, and return the exit status.

    0: done. 1: failed. 2: wrong usage or configuration; for wrong usage argparse raises
    SystemExit. 130 and 143: ended early by SIGINT or SIGTERM.
    """
    _exit_on_sigterm(0)
    _open_standard_streams()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            flush_output()
    except ConfigurationError as error:
        return _report(error, _WRONG_USAGE)
    except ExporterError as error:
        return _report(error, _FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    words = with_command(argv)
    _exit_on_sigterm(0 if words[0] in _SERVICES else 128 + signal.SIGTERM)
    arguments = _parsed(words)
    command: Callable[[argparse.Namespace], int] = arguments.run
    return command(arguments)


def _exit_on_sigterm(status: int) -> None:
    """Exit with `status` on SIGTERM, until a command installs its own handler.

    The first process of a container ignores signals that it does not handle, and starting can
    take seconds. Python allows signal handlers in the main thread only, in which commands run.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(status))


def _open_standard_streams() -> None:
    """Replace standard streams that are closed at the start by the null device.

    Otherwise a socket could become standard output, and `print` would write to it.
    `sys.stdout` stays None, by which writers detect that it is closed.
    """
    null = os.open(os.devnull, os.O_RDWR)
    while null <= _STANDARD_ERROR:
        null = os.open(os.devnull, os.O_RDWR)
    os.close(null)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end


def build_parser(commands: Collection[str] = COMMANDS.keys()) -> CommandParser:
    """Return a parser of the command line; the parsed namespace's `run` runs the command.

    All commands are listed, but only those in `commands` are imported and have arguments.
    """
    parser = CommandParser(
        prog=PROGRAM,
        description="Cloudflare Zero Trust user risk scores as Prometheus metrics. Without a "
        "command, it runs `serve`. To try it without an account, run `demo`.",
        epilog=f"`{PROGRAM} COMMAND --help` lists the flags of a command. {CREDENTIALS_HELP}",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (function, about) in COMMANDS.items():
        command = group.add_parser(name, help=about)
        if name in commands:
            add_arguments: Callable[[CommandParser], None] = resolve_name(
                f"exporter.cli.{function}"
            )
            add_arguments(command)
    return parser


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = build_parser(words[:1])
    command = parser.parser_of(words)
    arguments, unknown = parser.parse_known_args(words)
    unknown = [word for word in unknown if word != "--"]
    if unknown:
        command.error(_unknown_arguments(unknown, command, parser.commands))
    return arguments


def _unknown_arguments(
    unknown: Sequence[str], command: CommandParser, commands: Collection[str]
) -> str:
    """Return a message with unknown flags, without their values, because one may be a token."""
    names = [_flag_name(word) for word in unknown if word.startswith("-")]
    misplaced = [word for word in unknown if word in commands]
    if misplaced:
        return f"the command comes before all flags: {misplaced[0]}"
    if not names:
        return "too many arguments"
    message = f"unknown: {', '.join(map(command.suggestion, names))}"
    if any("token" in name for name in names):
        message += "; set the token with CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE"
    return message


def _flag_name(word: str) -> str:
    return word.partition("=")[0] if word.startswith("--") else word[:2]


def with_command(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments with `serve` in front if they name no command."""
    if arguments and (
        not arguments[0].startswith("-") or arguments[0] in {"-h", "--help", "--version"}
    ):
        return arguments
    return ("serve", *arguments)


def _report(error: ExporterError, status: int) -> int:
    print_error(f"{PROGRAM}: {error}")
    return status
