"""Freshness: whether the data are current, by account and resource."""

from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries

from exporter.catalogue.risk import ACCOUNT_INFO, UP
from exporter.catalogue.telemetry import (
    CONFIG_RELOAD_SUCCESS,
    CONFIG_RELOAD_SUCCESSFUL,
    LAST_SUCCESS,
    POLL_DURATION,
    POLL_FAILURES,
    POLL_INTERVAL,
    POLLS,
    RESOURCE_UP,
)
from grafana.board import Section
from grafana.palette import BLUE, RED, thresholds, words
from grafana.panels import COUNT, Query, counts, lines, number
from grafana.queries import RATE, as_label, growth, milliseconds, now, series
from grafana.sections.now import data_age
from grafana.tables import VALUE, Column, rows

_RESOURCE: Final = "account, resource"
_EACH: Final = "{{account}} {{resource}}"
_UP: Final = words({1: ("up", BLUE), 0: ("failing", RED)})


def _targets_down() -> stat.Panel:
    return number(
        "Exporters down",
        "Exporters whose last scrape failed.",
        'sum(1 - up{job=~"$job", instance=~"$instance"})',
        unit=COUNT,
        span=4,
    ).thresholds(thresholds("text", (1, RED)))


def _resources_failing() -> stat.Panel:
    return number(
        "Resources failing",
        "Resources (summary, users, behaviors, integrations) of all accounts whose last poll"
        " failed.",
        f"sum(1 - {now(RESOURCE_UP)})",
        unit=COUNT,
        span=4,
    ).thresholds(thresholds("text", (1, RED)))


def _configuration() -> stat.Panel:
    panel = number(
        "Last reload",
        "Whether the configuration was accepted when it was last read; a refused one leaves the"
        " previous one in use.",
        f"min({series(CONFIG_RELOAD_SUCCESSFUL)})",
        unit="none",
        span=4,
    )
    return panel.mappings(words({1: ("accepted", BLUE), 0: ("refused", RED)}))


def _configuration_read() -> stat.Panel:
    return number(
        "Configuration read",
        "When the present configuration was read.",
        milliseconds(f"min({series(CONFIG_RELOAD_SUCCESS)})"),
        unit="dateTimeFromNow",
        span=4,
    )


def _running_since() -> stat.Panel:
    return number(
        "Started",
        "When the exporter was started; the latest of several.",
        milliseconds('max(process_start_time_seconds{job=~"$job", instance=~"$instance"})'),
        unit="dateTimeFromNow",
        span=4,
    )


def _resources() -> table.Panel:
    return rows(
        "Resources",
        "Time since each resource of each account was last read, longest first. Users' details"
        " are read when a user's summary changed, and again after the interval.",
        f"sort_desc(time() - {now(LAST_SUCCESS)}"
        f" * on ({_RESOURCE}) group_left (up)"
        f" {as_label('up', now(RESOURCE_UP), of=_RESOURCE)}"
        f" * on ({_RESOURCE}) group_left (every)"
        f" {as_label('every', now(POLL_INTERVAL), of=_RESOURCE)}"
        f" * on ({_RESOURCE}) group_left (took)"
        f" {as_label('took', now(POLL_DURATION), of=_RESOURCE)})",
        Column("account", "Account"),
        Column("resource", "Resource", width=115),
        Column("up", "State", "none", words=_UP, width=80),
        Column(VALUE, "Read ago", "s", width=110),
        Column("every", "Interval", "s", width=100),
        Column("took", "Last poll took", "s", width=125),
        span=14,
    ).height(6)


def _age() -> timeseries.Panel:
    return lines(
        "Age of the data",
        "Time since each resource was last read: a saw tooth with the poll interval,"
        " a rising line while polls fail. Users' details are left out, because they are read only"
        " after changes.",
        Query(f"time() - {now(LAST_SUCCESS, _NOT_DETAILS)}", _EACH),
        unit="s",
    )


_NOT_DETAILS: Final = 'resource!="users"'


def _failures() -> timeseries.Panel:
    return counts(
        "Failed polls by reason",
        "Polls that failed, per interval: unauthorized and forbidden are problems of the token,"
        " rate_limited of the quota, bad_response of the API's answers.",
        Query(growth(POLL_FAILURES, window=RATE, by="reason"), "{{reason}}"),
    )


def _polls() -> timeseries.Panel:
    return counts(
        "Polls by resource",
        "Polls, per interval, including failed ones.",
        Query(growth(POLLS, window=RATE, by="resource"), "{{resource}}"),
    )


def _duration() -> timeseries.Panel:
    return lines(
        "Duration of polls",
        "How long the last poll of each resource took, successful or not.",
        Query(now(POLL_DURATION), _EACH),
        unit="s",
    )


def _accounts() -> table.Panel:
    return rows(
        "Accounts",
        "The configured accounts, failing ones first.",
        f"sort({now(UP)} * on (account) group_left (account_id) {now(ACCOUNT_INFO)})",
        Column("account", "Account", width=110),
        Column(VALUE, "State", "none", words=_UP, width=80),
        Column("account_id", "Account id"),
        span=10,
    ).height(6)


FRESHNESS: Final = Section(
    "Freshness",
    (
        _targets_down(),
        _resources_failing(),
        data_age(span=4),
        _configuration(),
        _configuration_read(),
        _running_since(),
        _resources(),
        _accounts(),
        _age(),
        _failures(),
        _polls(),
        _duration(),
    ),
)
