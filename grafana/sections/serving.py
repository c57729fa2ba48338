"""Serving: what a scrape costs, what the process takes, what is written to disk."""

from typing import Final

from grafana_foundation_sdk.builders import table, timeseries

from exporter.catalogue.telemetry import (
    BUILD_INFO,
    EXPOSITION_BYTES,
    EXPOSITION_SERIES,
    STATE_COMMIT_DURATION,
    STATE_COMMIT_FAILURES,
    STATE_SIZE,
    WEB_CERTIFICATE_EXPIRY,
    WEB_CONNECTIONS_REFUSED,
)
from grafana.board import Section
from grafana.panels import COUNT, Query, counts, lines
from grafana.queries import RATE, growth, series
from grafana.tables import Column, rows

_TARGET: Final = '{job=~"$job", instance=~"$instance"}'
_INSTANCE: Final = "{{instance}}"


def _scrape_duration() -> timeseries.Panel:
    return lines(
        "Duration of scrapes",
        "Duration of scrapes, as measured by Prometheus.",
        Query(f"scrape_duration_seconds{_TARGET}", _INSTANCE),
        unit="s",
        span=8,
    )


def _series() -> timeseries.Panel:
    return lines(
        "Series in a scrape",
        "All samples of a scrape, and the risk series among them.",
        Query(f"scrape_samples_scraped{_TARGET}", f"{_INSTANCE} all"),
        Query(series(EXPOSITION_SERIES), f"{_INSTANCE} risk"),
        unit=COUNT,
        span=8,
    ).decimals(0)


def _bytes() -> timeseries.Panel:
    return lines(
        "Size of a scrape",
        "Size of a whole scrape before compression, which Prometheus compares with"
        " body_size_limit.",
        Query(series(EXPOSITION_BYTES), _INSTANCE),
        unit="bytes",
        span=8,
    )


def _cpu() -> timeseries.Panel:
    return lines(
        "CPU",
        "Processor time of the process, as a part of one core.",
        Query(f"rate(process_cpu_seconds_total{_TARGET}[{RATE}])", _INSTANCE),
        unit="percentunit",
        span=8,
    )


def _memory() -> timeseries.Panel:
    return lines(
        "Memory",
        "Resident memory of the process.",
        Query(f"process_resident_memory_bytes{_TARGET}", _INSTANCE),
        unit="bytes",
        span=8,
    )


def _files() -> timeseries.Panel:
    return lines(
        "Open files",
        "Open files and connections of the process.",
        Query(f"process_open_fds{_TARGET}", _INSTANCE),
        unit=COUNT,
        span=8,
    ).decimals(0)


def _state_size() -> timeseries.Panel:
    return lines(
        "State on disk",
        "Size of the state file; 0 where the state is kept in memory.",
        Query(series(STATE_SIZE), _INSTANCE),
        unit="bytes",
        span=8,
    )


def _commit_duration() -> timeseries.Panel:
    return lines(
        "Duration of commits",
        "How long the last transaction to the state took. Values are exposed after the commit.",
        Query(series(STATE_COMMIT_DURATION), _INSTANCE),
        unit="s",
        span=8,
    )


def _commit_failures() -> timeseries.Panel:
    return counts(
        "Failed commits",
        "Transactions that did not reach the state file, per interval; their changes are kept"
        " and retried. A common cause is a full disk.",
        Query(growth(STATE_COMMIT_FAILURES, window=RATE, by="instance"), _INSTANCE),
        span=8,
    )


def _connections_refused() -> timeseries.Panel:
    return counts(
        "Refused connections",
        "Connections to /metrics and the other pages that were closed unasked, per interval, by"
        " reason: limit and evicted, there were too many at once; timeout, no complete request"
        " within 10 s.",
        Query(
            growth(WEB_CONNECTIONS_REFUSED, window=RATE, by="instance, reason"),
            f"{_INSTANCE} {{{{reason}}}}",
        ),
        span=24,
    )


def _versions() -> table.Panel:
    return rows(
        "Versions",
        "Versions of the running exporters.",
        f"max by (instance, version, python_version) ({series(BUILD_INFO)})",
        Column("instance", "Instance"),
        Column("version", "Version"),
        Column("python_version", "Python"),
    ).height(4)


def _certificate() -> timeseries.Panel:
    return lines(
        "Certificate expires in",
        "Time until the certificate that the exporter presents expires; empty without TLS.",
        Query(f"{series(WEB_CERTIFICATE_EXPIRY)} - time()", _INSTANCE),
        unit="s",
        span=24,
    )


SCRAPES: Final = Section("Scrapes", (_scrape_duration(), _series(), _bytes()))
PROCESS: Final = Section(
    "Process", (_cpu(), _memory(), _files(), _certificate(), _connections_refused(), _versions())
)
STATE: Final = Section("State", (_state_size(), _commit_duration(), _commit_failures()))
