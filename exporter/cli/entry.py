"""The command line as a whole: which commands there are, and what their endings mean."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from exporter import __version__
from exporter.cli import backfill, behaviors, check, demo, integrations, serve, users
from exporter.cli.printing import complain, flush_output
from exporter.errors import ConfigurationError, ExporterError

PROGRAM = "cloudflare-risk-exporter"

_FAILED = 1
_WRONG_USAGE = 2
_STANDARD_ERROR = 2
_INTERRUPTED = 128 + signal.SIGINT  # as shells spell it


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` asks for, `sys.argv` where there is none; return the exit status.

    0: done. 1: the work failed. 2: wrong usage or configuration; for wrong usage argparse leaves
    with SystemExit. 130: interrupted by SIGINT before the end of the work.
    """
    _end_on_sigterm()
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
    arguments = _parsed(argv)
    command: Callable[[argparse.Namespace], int] = arguments.run
    return command(arguments)


def _end_on_sigterm() -> None:
    """Have SIGTERM end the process in order until a command listens for it itself.

    The first process of a container is not ended by a signal it does not handle, and starting
    can take seconds. Only the main thread may say what a signal does; it is where commands run.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)


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


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the parsed namespace's `run` does the work."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Cloudflare Zero Trust user risk as Prometheus metrics. Without a command: "
        "serve. To try it without an account: demo.",
        epilog=f"`{PROGRAM} COMMAND --help` tells each command's flags.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.add_commands(commands)
    demo.add_commands(commands)
    backfill.add_commands(commands)
    check.add_commands(commands)
    users.add_commands(commands)
    behaviors.add_commands(commands)
    integrations.add_commands(commands)
    return parser


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(_with_command(argv))
    if unknown:
        parser.error(_complaint_about(unknown))
    return arguments


def _complaint_about(unknown: Sequence[str]) -> str:
    """Name unknown flags alone: argparse would repeat their values, and one may be a token."""
    flags = [word.partition("=")[0] for word in unknown if word.startswith("--")]
    complaint = f"unknown: {', '.join(flags)}" if flags else "too many arguments"
    if any("token" in flag for flag in flags):
        complaint += "; a token is given by CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE"
    return complaint


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
