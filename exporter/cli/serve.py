"""The commands `serve` (poll until a signal) and `once` (poll one time)."""

import argparse
import os

from exporter.app.once import poll_once
from exporter.app.serving import serve
from exporter.cli.flags import SERVER_SETTINGS, add_setting_flags, flag_options, given_flags
from exporter.cli.output import print_bytes, print_error
from exporter.cli.parser import CommandParser
from exporter.cli.running import ending_status, run, stop_deadline
from exporter.clock import SystemClock
from exporter.logs import configure_logging
from exporter.settings import Settings, load_settings


def add_serve_arguments(parser: CommandParser) -> None:
    """Add the arguments of `serve`."""
    parser.description = (
        "Poll the risk scores of all users until a signal, and serve them to Prometheus at "
        "/metrics."
    )
    add_setting_flags(parser, flag_options())
    parser.set_defaults(run=_serve)


def add_once_arguments(parser: CommandParser) -> None:
    """Add the arguments of `once`."""
    parser.description = (
        "Poll every account once and print the metrics. Fails if a resource of an account, or more "
        "than a tenth of its rows, cannot be read."
    )
    add_setting_flags(parser, flag_options(without=SERVER_SETTINGS))
    parser.set_defaults(run=_once)


def _serve(arguments: argparse.Namespace) -> int:
    def load() -> Settings:
        return _load_settings(arguments)

    settings = load()
    _configure_logging(settings)
    with stop_deadline() as on_stopping:
        ended_by = run(
            serve(settings, load=load, on_reloaded=_configure_logging, on_stopping=on_stopping)
        )
    return ending_status(ended_by)


def _once(arguments: argparse.Namespace) -> int:
    from exporter.cli.progress import shown_waits  # noqa: PLC0415  # `serve` needs no rich

    settings = _load_settings(arguments)
    clock = SystemClock()
    with shown_waits(clock) as show:
        _configure_logging(settings)  # a terminal keeps log lines apart from the progress line
        result = run(poll_once(settings, clock=clock, on_waiting=show))
    _configure_logging(settings)
    print_bytes([result.exposition])
    for note in result.notes:
        print_error(note)
    for failure in result.failed:
        print_error(f"failed: {failure}")
    return 1 if result.failed else 0


def _load_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings as they are in the file and the environment now."""
    return load_settings(flags=given_flags(arguments), environ=os.environ)


def _configure_logging(settings: Settings) -> None:
    configure_logging(level=settings.log_level, log_format=settings.log_format)
