"""The command line as a whole: which commands there are, and what their endings mean."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from exporter import __version__
from exporter.cli import backfill, behaviors, check, demo, integrations, serve, users
from exporter.cli.flags import CREDENTIALS_HELP, CommandParser
from exporter.cli.printing import complain, flush_output
from exporter.errors import ConfigurationError, ExporterError

PROGRAM = "cloudflare-risk-exporter"

_SERVICES = frozenset({"serve", "demo", "simulate"})
"""Commands that go on until a signal ends them; then their work is done."""

_FAILED = 1
_WRONG_USAGE = 2
_STANDARD_ERROR = 2
_INTERRUPTED = 128 + signal.SIGINT  # as shells spell it


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` asks for, `sys.argv` where there is none; return the exit status.

    0: done. 1: the work failed. 2: wrong usage or configuration; for wrong usage argparse leaves
    with SystemExit. 130 and 143: SIGINT or SIGTERM came before the end of the work.
    """
    _end_on_sigterm(0)
    _open_standard_streams()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            flush_output()
    except ConfigurationError as error:
        return _complain(error, _WRONG_USAGE)
    except ExporterError as error:
        return _complain(error, _FAILED)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    words = _with_command(argv)
    arguments = _parsed(words)
    _end_on_sigterm(0 if words[0] in _SERVICES else 128 + signal.SIGTERM)
    command: Callable[[argparse.Namespace], int] = arguments.run
    return command(arguments)


def _end_on_sigterm(status: int) -> None:
    """Have SIGTERM end the process in order until a command listens for it itself.

    The first process of a container is not ended by a signal it does not handle, and starting
    can take seconds. Only the main thread may say what a signal does; it is where commands run.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(status))


def _open_standard_streams() -> None:
    """Give a process that was started without some of its standard streams a null device there.

    Otherwise a socket could become standard output, and `print` would write messages there. What
    writes output still sees that `sys.stdout` is None.
    """
    null = os.open(os.devnull, os.O_RDWR)
    while null <= _STANDARD_ERROR:
        null = os.open(os.devnull, os.O_RDWR)
    os.close(null)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end


def build_parser() -> CommandParser:
    """Return the parser of every command; the parsed namespace's `run` does the work."""
    parser = CommandParser(
        prog=PROGRAM,
        description="Cloudflare Zero Trust user risk as Prometheus metrics. Without a command: "
        "serve. To try it without an account: demo.",
        epilog=f"`{PROGRAM} COMMAND --help` lists each command's flags. {CREDENTIALS_HELP}",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_commands(parser)
    return parser


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (serve, demo, backfill, check, users, behaviors, integrations):
        group.add_commands(commands)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = build_parser()
    command = parser.parser_of(words)
    arguments, unknown = parser.parse_known_args(words)
    unknown = [word for word in unknown if word != "--"]
    if unknown:
        command.error(_complaint_about(unknown, command, parser.commands))
    return arguments


def _complaint_about(
    unknown: Sequence[str], command: CommandParser, commands: Collection[str]
) -> str:
    """Name unknown flags alone, without their values: one may be a token."""
    names = [_flag_name(word) for word in unknown if word.startswith("-")]
    misplaced = [word for word in unknown if word in commands]
    if misplaced:
        return f"the command comes first, before all flags: {misplaced[0]}"
    if not names:
        return "too many arguments"
    complaint = f"unknown: {', '.join(map(command.unknown_flag, names))}"
    if any("token" in name for name in names):
        complaint += "; a token is given by CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE"
    return complaint


def _flag_name(word: str) -> str:
    return word.partition("=")[0] if word.startswith("--") else word[:2]


def _with_command(arguments: Sequence[str]) -> Sequence[str]:
    """Put `serve` before arguments that begin with a flag of its own, or are none."""
    if arguments and (
        not arguments[0].startswith("-") or arguments[0] in {"-h", "--help", "--version"}
    ):
        return arguments
    return ("serve", *arguments)


def _complain(error: ExporterError, status: int) -> int:
    complain(f"{PROGRAM}: {error}")
    return status
