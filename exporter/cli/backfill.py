"""`backfill` writes the past that the API still holds, for Prometheus to take in."""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from exporter.app import read_past
from exporter.backfill import (
    METRICS,
    AccountHistory,
    AccountReading,
    Timeline,
    Write,
    open_output,
    openmetrics,
    write_elsewhere,
)
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.printing import complain, print_bytes
from exporter.cli.progress import shown_progress
from exporter.cli.running import run
from exporter.clock import SystemClock
from exporter.errors import ConfigurationError, OutputError
from exporter.logs import configure_logging
from exporter.settings import load_settings
from exporter.settings.values import read_duration

_NOT_ASKED_FOR = frozenset(
    {
        "config_interval",
        "data_max_age",
        "detail_max_age",
        "listen",
        "poll_interval",
        "web_config_file",
    }
)
"""Settings of what goes on for ever."""

_DEFAULT_SINCE = "15d"
"""As long as Prometheus keeps anything unless told otherwise."""

_HEAD_SECONDS = 3 * 3600.0
"""What Prometheus may hold in memory alone, and throws away where a block reaches into it.
https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format"""

_LIKE_A_DURATION = re.compile(r"[\d.]+(?:ms|[smhd])?", re.ASCII)
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_LABELS_TAKEN = frozenset(label for metric in METRICS for label in metric.labels)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `backfill`."""
    parser = commands.add_parser(
        "backfill",
        help="write the events of the past as OpenMetrics, for promtool",
        description="Ask about every listed user and write the events that Cloudflare still holds "
        "as counters with timestamps, which promtool tsdb create-blocks-from openmetrics turns "
        "into blocks for Prometheus. Fails if anything could not be read; the rest is written.",
    )
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="where to write; - is standard output"
    )
    parser.add_argument(
        "--since",
        default=_DEFAULT_SINCE,
        metavar="WHEN",
        help="the beginning: a duration before now, or an RFC 3339 instant (default %(default)s)",
    )
    parser.add_argument(
        "--until",
        metavar="WHEN",
        help="the end, at the latest when the exporter's own series begin (default now)",
    )
    parser.add_argument(
        "--step",
        default="1m",
        metavar="DURATION",
        help="time between samples, at most 5m (default %(default)s)",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a label for every series, such as job=cloudflare-risk-exporter; may be repeated",
    )
    add_setting_flags(parser, flag_options(without=_NOT_ASKED_FOR))
    parser.set_defaults(run=_backfill)


def _backfill(arguments: argparse.Namespace) -> int:
    settings = load_settings(flags=given_flags(arguments), environ=os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    clock = SystemClock()
    timeline = _timeline(arguments, now=clock.time())
    labels = _labels(arguments.label)

    def document() -> Iterable[bytes]:
        return openmetrics(histories, timeline, labels=labels)

    failure: OutputError | None = None
    with _output(arguments.output) as write:
        with shown_progress() as progress:
            readings = run(read_past(settings, timeline, clock=clock, progress=progress))
        histories = [one.history for one in readings if one.history is not None]
        if histories:
            try:
                write(document())
            except OutputError as error:
                failure = error
    _tell(readings, timeline, now=clock.time())
    if failure is not None:
        raise OutputError(f"{failure}; {_kept(document)}") from failure
    return 1 if any(reading.problems for reading in readings) else 0


def _output(name: str) -> AbstractContextManager[Write]:
    return nullcontext(print_bytes) if name == "-" else open_output(Path(name))


def _kept(document: Callable[[], Iterable[bytes]]) -> str:
    """Keep what cannot be read again in a short time, and say where it is."""
    try:
        path = write_elsewhere(document)
    except OutputError as error:
        return f"{error}: what was read is lost"
    return f"the whole document is kept in {path}: make room and copy it, or give it to promtool"


def _timeline(arguments: argparse.Namespace, *, now: float) -> Timeline:
    until = now if arguments.until is None else _instant(arguments.until, "--until", now=now)
    if until > now:
        raise ConfigurationError("--until: must not be in the future")
    since = _instant(arguments.since, "--since", now=now)
    try:
        step = read_duration(arguments.step)
    except ValueError as error:
        raise ConfigurationError(f"--step: {error}") from error
    return Timeline.between(since, until, step=step)


def _instant(text: str, flag: str, *, now: float) -> float:
    """Unix seconds of `7d`, which is so long before `now`, or of an RFC 3339 instant."""
    try:
        return now - read_duration(text)
    except ValueError as error:
        if _LIKE_A_DURATION.fullmatch(text):
            raise ConfigurationError(f"{flag}: {error}") from error
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ConfigurationError(
            f"{flag}: write a duration such as 7d, or an instant such as 2026-01-31T12:00:00Z"
        )
    return instant.timestamp()


def _labels(pairs: Sequence[str]) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not _LABEL_NAME.fullmatch(name) or not value:
            raise ConfigurationError(f"--label: {pair!r} is not NAME=VALUE")
        if name in _LABELS_TAKEN:
            raise ConfigurationError(f"--label: every series has its own {name}")
        if name in labels:
            raise ConfigurationError(f"--label: {name} is given twice")
        labels[name] = value
    return labels


def _tell(readings: Sequence[AccountReading], timeline: Timeline, *, now: float) -> None:
    """Say what was found and what is missing; standard output may hold the document."""
    lines = [
        *(_found(reading.history, timeline) for reading in readings if reading.history),
        *(f"failed: {one.account}: {problem}" for one in readings for problem in one.problems),
    ]
    if timeline.end > now - _HEAD_SECONDS and any(reading.history for reading in readings):
        lines.append(
            "note: this reaches into the last three hours. A Prometheus that has data of these "
            "hours would lose them at its next restart, of all its targets: see docs/backfill.md"
        )
    for line in lines:
        complain(line)


def _found(history: AccountHistory, timeline: Timeline) -> str:
    count = sum(sum(one.increments.values()) for one in history.events)
    span = " to ".join(
        datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
        for at in (timeline.start, timeline.end)
    )
    return f"{history.account}: {count} events, {span}"
