"""The command `backfill`: past events as OpenMetrics, for promtool."""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from exporter.app.backfill import read_past
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
from exporter.cli.flags import SERVER_SETTINGS, add_setting_flags, flag_options, given_flags
from exporter.cli.output import print_bytes, print_error
from exporter.cli.parser import CommandParser
from exporter.cli.progress import shown_progress
from exporter.cli.running import run
from exporter.clock import SystemClock
from exporter.errors import ConfigurationError, OutputError
from exporter.logs import configure_logging
from exporter.settings import load_settings
from exporter.settings.values import read_duration

_UNUSED_SETTINGS = SERVER_SETTINGS | {
    "config_interval",
    "created_series",
    "data_max_age",
    "detail_max_age",
    "poll_interval",
}
"""Settings of continuous polling and serving."""

_DEFAULT_SINCE = "15d"
"""Prometheus's default retention time."""

_HEAD_SECONDS = 3 * 3600.0
"""The time span that Prometheus may hold in memory only, and drops where a block overlaps it.
https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format"""

_LIKE_A_DURATION = re.compile(r"[\d.]+(?:ms|[smhd])?", re.ASCII)
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_RESERVED_LABELS = frozenset(label for metric in METRICS for label in metric.labels)


def add_arguments(parser: CommandParser) -> None:
    """Add the arguments of `backfill`."""
    parser.description = (
        "Read the events that Cloudflare still holds of every listed user, and write them as "
        "counters with timestamps, from which `promtool tsdb create-blocks-from openmetrics` "
        "creates blocks for Prometheus. Fails if anything cannot be read; the rest is written."
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="the file to write; - is standard output (default %(default)s)",
    )
    parser.add_argument(
        "--since",
        default=_DEFAULT_SINCE,
        metavar="WHEN",
        help="the start: a duration before now, or an RFC 3339 timestamp (default %(default)s)",
    )
    parser.add_argument(
        "--until",
        metavar="WHEN",
        help="the end, not after the exporter's own series begin (default now)",
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
        help="a label of every series, such as job=cloudflare-risk-exporter; can be repeated",
    )
    add_setting_flags(parser, flag_options(without=_UNUSED_SETTINGS))
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
    _report(readings, timeline, now=clock.time())
    if failure is not None:
        raise OutputError(f"{failure}; {_save(document)}") from failure
    return 1 if any(reading.problems for reading in readings) else 0


def _output(name: str) -> AbstractContextManager[Write]:
    return nullcontext(print_bytes) if name == "-" else open_output(Path(name))


def _save(document: Callable[[], Iterable[bytes]]) -> str:
    """Save the document elsewhere, because reading it again takes long, and return a message."""
    try:
        path = write_elsewhere(document)
    except OutputError as error:
        return f"{error}: the data is lost"
    return f"the whole document is in {path}; free some space and copy it, or give it to promtool"


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
    """Return Unix seconds of a duration before `now`, such as `7d`, or of an RFC 3339 timestamp."""
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
            f"{flag}: must be a duration such as 7d, or a timestamp such as 2026-01-31T12:00:00Z"
        )
    return instant.timestamp()


def _labels(pairs: Sequence[str]) -> Mapping[str, str]:
    labels: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not _LABEL_NAME.fullmatch(name) or not value:
            raise ConfigurationError(f"--label: {pair!r} is not NAME=VALUE")
        if name in _RESERVED_LABELS:
            raise ConfigurationError(f"--label: {name} is a label of the series themselves")
        if name in labels:
            raise ConfigurationError(f"--label: {name} is given twice")
        labels[name] = value
    return labels


def _report(readings: Sequence[AccountReading], timeline: Timeline, *, now: float) -> None:
    """Report on standard error what was found and what is missing."""
    lines = [
        *(_found(reading.history, timeline) for reading in readings if reading.history),
        *(f"failed: {one.account}: {problem}" for one in readings for problem in one.problems),
    ]
    if timeline.end > now - _HEAD_SECONDS and any(reading.history for reading in readings):
        lines.append(
            "note: the data ends less than three hours ago. A Prometheus server with data of these "
            "hours loses it for all targets at its next restart; see docs/backfill.md"
        )
    for line in lines:
        print_error(line)


def _found(history: AccountHistory, timeline: Timeline) -> str:
    count = sum(sum(one.increments.values()) for one in history.events)
    span = " to ".join(
        datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
        for at in (timeline.start, timeline.end)
    )
    return f"{history.account}: {count} events, {span}"
