"""Events: what users did that raised their level."""

from typing import Final

from grafana_foundation_sdk.builders import bargauge, timeseries

from exporter.catalogue.risk import EVENTS as EVENTS_TOTAL
from grafana.board import Section
from grafana.panels import COUNT, Query, counts, ranking
from grafana.queries import RATE, counted, growth


def _over_time() -> timeseries.Panel:
    return counts(
        "Risk events by behavior",
        "Risk events as they are seen, per interval. Names are the behaviors' keys; the table"
        " of behaviors below explains them.",
        Query(growth(EVENTS_TOTAL, window=RATE, by="behavior"), "{{behavior}}"),
        span=14,
    )


def _most_frequent() -> bargauge.Panel:
    return ranking(
        "Most frequent behaviors",
        "Risk events by behavior, in the time range shown.",
        Query(f"sort_desc({counted(EVENTS_TOTAL, by='behavior')})", "{{behavior}}"),
        unit=COUNT,
        span=10,
    )


EVENTS: Final = Section("Events", (_over_time(), _most_frequent()))
