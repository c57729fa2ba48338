"""Now: how many users are at risk, what was new in the time range, and whether the data are current."""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import stat

from exporter.catalogue.risk import EVENTS, LEVEL_CHANGES, UP, USERS
from exporter.catalogue.telemetry import LAST_SUCCESS
from exporter.risk.model import LISTED_LEVELS
from grafana.board import Section
from grafana.palette import GOLD, LEVEL_COLOURS, RED, thresholds
from grafana.panels import COUNT, number
from grafana.queries import counted, level_of, now

_SUMMARY: Final = 'resource="summary"'


def _users() -> Iterator[stat.Panel]:
    for level in reversed(LISTED_LEVELS):
        panel = number(
            f"At {level.label} risk",
            f"Users whose risk level is {level.label}, as of the last successful poll.",
            f"sum({now(USERS, level_of(level))})",
            unit=COUNT,
        )
        yield panel.thresholds(thresholds("text", (1, LEVEL_COLOURS[level])))


def _became_high() -> stat.Panel:
    return number(
        "Became high",
        "How often a user's level rose to high, in the time range shown.",
        counted(LEVEL_CHANGES, 'to="high"'),
        unit=COUNT,
    ).thresholds(thresholds("text", (1, RED)))


def _events() -> stat.Panel:
    return number(
        "Risk events",
        "Risk events of all behaviors and levels, each counted once, in the time range shown.",
        counted(EVENTS),
        unit=COUNT,
        span=4,
    )


def data_age(*, span: int) -> stat.Panel:
    """How long ago the risk summary was last read."""
    panel = number(
        "Age of the data",
        "Time since the risk summary was last read, for the account with the oldest data. The risk"
        " values on this dashboard are as old as that.",
        f"max(time() - {now(LAST_SUCCESS, _SUMMARY)})",
        unit="s",
        span=span,
    )
    # Three polls at the default interval missed; the age at which gauges are withdrawn by default.
    return panel.decimals(0).thresholds(thresholds("text", (180, GOLD), (900, RED)))


def _accounts_failing() -> stat.Panel:
    return number(
        "Accounts failing",
        "Accounts whose last poll failed. Their last values stay until the data max age"
        " and are then withdrawn.",
        f"sum(1 - {now(UP)})",
        unit=COUNT,
        span=4,
    ).thresholds(thresholds("text", (1, RED)))


NOW: Final = Section(
    "Now",
    (*_users(), _became_high(), _events(), data_age(span=4), _accounts_failing()),
)
