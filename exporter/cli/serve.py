"""`serve` polls for ever, `once` a single time."""

import argparse
import os

from exporter.app import poll_once, serve
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.printing import complain, print_bytes, tell
from exporter.cli.progress import shown_waits
from exporter.cli.running import ending_status, run, stop_deadline
from exporter.clock import SystemClock
from exporter.logs import configure_logging
from exporter.settings import Settings, load_settings


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `serve` and `once`."""
    serving = commands.add_parser(
        "serve",
        help="poll for ever and serve /metrics (what happens without a command)",
        description="Poll the risk of every user and serve it to Prometheus at /metrics.",
        allow_abbrev=False,
    )
    add_setting_flags(serving, flag_options())
    serving.set_defaults(run=_serve)
    once = commands.add_parser(
        "once",
        help="poll every account once and print the metrics",
        description="Poll every account once and print what /metrics would show. Fails if any "
        "resource of any account, or more than a tenth of its rows, could not be read.",
        allow_abbrev=False,
    )
    add_setting_flags(once, flag_options(without={"listen", "web_config_file"}))
    once.set_defaults(run=_once)


def _serve(arguments: argparse.Namespace) -> int:
    def load() -> Settings:
        return _settings(arguments)

    settings = load()
    _log_by(settings)
    with stop_deadline() as on_stopping:
        ended_by = run(serve(settings, load=load, on_reloaded=_log_by, on_stopping=on_stopping))
    return ending_status(ended_by)


def _once(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    clock = SystemClock()
    with shown_waits(clock) as show:
        _log_by(settings)  # a terminal keeps log lines apart from the progress line
        result = run(poll_once(settings, clock=clock, on_waiting=show))
    _log_by(settings)
    print_bytes([result.exposition])
    for note in result.notes:
        tell(note)
    for failure in result.failed:
        complain(f"failed: {failure}")
    return 1 if result.failed else 0


def _settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings as they are written now."""
    return load_settings(flags=given_flags(arguments), environ=os.environ)


def _log_by(settings: Settings) -> None:
    configure_logging(level=settings.log_level, log_format=settings.log_format)
