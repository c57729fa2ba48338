"""Details: how far the exporter is behind with users, and how late events are shown."""

from typing import Final

from grafana_foundation_sdk.builders import common, timeseries
from grafana_foundation_sdk.models.common import ScaleDistribution

from exporter.catalogue.telemetry import (
    DETECTION_DELAY,
    OLDEST_PENDING,
    PENDING_USERS,
    USERS_WITHHELD,
)
from grafana.board import Section
from grafana.panels import COUNT, Query, areas, lines, steps
from grafana.queries import now, quantile, series

_LOGARITHMIC: Final = common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
"""Most events are seen within seconds; those the API is late with, hours later."""

_RANKS: Final = {0.5: "median", 0.9: "90th percentile", 0.99: "99th percentile"}


def _pending() -> timeseries.Panel:
    return steps(
        "Backlog",
        "Users whose details are to be fetched. changed: their summary row changed; a growing line"
        " means that the quota allows fewer requests than there are changes. never_read: their details"
        " were never fetched; the line falls after the first start. refresh: their details are old.",
        Query(now(PENDING_USERS), "{{account}} {{reason}}"),
        unit=COUNT,
    ).decimals(0)


def _oldest() -> timeseries.Panel:
    waiting = f"time() - {now(OLDEST_PENDING)}"
    changed = series(PENDING_USERS, 'reason="changed"')
    return lines(
        "Longest wait in the backlog",
        "How long the longest waiting changed user has waited; 0 while there is no such user.",
        Query(f"{waiting} or 0 * max by (account) ({changed})", "{{account}}"),
        unit="s",
    )


def _delay() -> timeseries.Panel:
    return lines(
        "Detection delay",
        "From an event's timestamp to the time it is exposed, for events of the last ten minutes."
        " Without events there is no line.",
        *(Query(quantile(rank, DETECTION_DELAY), name) for rank, name in _RANKS.items()),
        unit="s",
    ).scale_distribution(_LOGARITHMIC)


def _withheld() -> timeseries.Panel:
    return (
        areas(
            "Users without series of their own",
            "Users who are in all aggregates but have no series: limit, there are too many of them;"
            " min_level, their level is below the configured one.",
            Query(now(USERS_WITHHELD), "{{account}} {{reason}}"),
            unit=COUNT,
        )
        .decimals(0)
        .axis_soft_max(1)
    )


DETAILS: Final = Section("Details of users", (_pending(), _oldest(), _delay(), _withheld()))
