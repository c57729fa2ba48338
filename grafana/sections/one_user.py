"""One user: who it is, how risky, since when, and why."""

from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models.common import GraphGradientMode

from exporter.catalogue import Metric
from exporter.catalogue.risk import (
    UP,
    USER_CURRENT_EVENTS,
    USER_EVENTS,
    USER_INFO,
    USER_LAST_EVENT,
    USER_LAST_RESET,
    USER_LEVEL,
)
from exporter.catalogue.telemetry import USERS_WITHHELD
from exporter.risk.model import RiskLevel
from grafana.board import Section
from grafana.palette import (
    LEVEL_COLOURS,
    by_thresholds,
    level_labels,
    level_words,
    thresholds,
    words,
)
from grafana.panels import COUNT, Query, number, steps
from grafana.queries import known, milliseconds, named, now
from grafana.sections.now import data_age
from grafana.tables import VALUE, Column, rows

_CHOSEN: Final = 'user_id="$user"'
_UNCERTAIN: Final = "not known"

_ZERO: Final = f"0 * {known(USER_LEVEL, _CHOSEN)}"
"""0 for a user who was listed at some time in the range."""

_LEVEL: Final = (
    f"{now(USER_LEVEL, _CHOSEN)}"
    f" or {_ZERO} and on (account) {now(UP)} == 1"
    f" unless on (account) sum by (account) ({now(USERS_WITHHELD)}) > 0"
)
"""The level, or none for a user who is no longer listed. This needs current data and no withheld
users, because a withheld user also has no series."""

_COUNTED: Final = f"sum({known(USER_EVENTS, _CHOSEN)}) or sum({_ZERO})"


_INFO: Final = f"topk by (account, user_id) (1, {known(USER_INFO, _CHOSEN)})"
"""One series per user, also if the name changed in the range."""


def _counted_by(labels: str) -> str:
    """Return the counted events, or a labelled 0 if there are none."""
    events = f"sum by ({labels}) ({known(USER_EVENTS, _CHOSEN)})"
    nothing = f'label_replace(sum({_ZERO}), "behavior", "none counted yet", "", "")'
    return f"{events} or {nothing} unless on () {_any(USER_EVENTS)}"


def _any(metric: Metric) -> str:
    return f"sum({known(metric, _CHOSEN)})"


def _who() -> table.Panel:
    return (
        rows(
            "Identity",
            "The user's email and name, if the exporter exposes identities.",
            named(known(USER_LEVEL, _CHOSEN), info=_INFO),
            Column("email", "Email"),
            Column("name", "Name"),
            Column("account", "Account"),
            Column("user_id", "User"),
        )
        .height(3)
        .no_value(_UNCERTAIN)
    )


def _level() -> stat.Panel:
    panel = number(
        "Level",
        "The user's risk level as of the last successful poll; none for a user who was listed"
        " in the time range shown and is no longer listed, for example after a reset.",
        f"sum({_LEVEL})",
        unit="none",
        span=4,
    )
    return panel.mappings(level_words()).no_value(_UNCERTAIN)


def _current_events() -> stat.Panel:
    return number(
        "Events held",
        "Risk events Cloudflare held of the user when they were last listed; can fall.",
        f"sum({known(USER_CURRENT_EVENTS, _CHOSEN)})",
        unit=COUNT,
        span=4,
    ).no_value(_UNCERTAIN)


def _counted_events() -> stat.Panel:
    return number(
        "Events counted",
        "Risk events of the user the exporter has seen since the account's first poll.",
        _COUNTED,
        unit=COUNT,
        span=4,
    ).no_value(_UNCERTAIN)


def _last_event() -> stat.Panel:
    return number(
        "Last event",
        "When the user's latest risk event happened.",
        milliseconds(f"max({known(USER_LAST_EVENT, _CHOSEN)})"),
        unit="dateTimeFromNow",
        span=4,
    ).no_value(_UNCERTAIN)


def _last_reset() -> stat.Panel:
    panel = number(
        "Last reset",
        "When the user's risk score was last cleared, if known.",
        f"{milliseconds(_any(USER_LAST_RESET))} or sum({_ZERO})",
        unit="dateTimeFromNow",
        span=4,
    )
    return panel.mappings(words({0: ("none known", "text")})).no_value(_UNCERTAIN)


def _level_over_time() -> timeseries.Panel:
    # Between the levels, so that the line of each is well inside its colour.
    rising = LEVEL_COLOURS.items()
    marks = thresholds(LEVEL_COLOURS[RiskLevel.NONE], *((at - 0.5, one) for at, one in rising))
    return (
        steps(
            "Level over time",
            "None: the user is no longer listed. A gap: the level is unknown, because the user was not"
            " listed yet, the data are not current, or users are withheld.",
            Query(f"sum({_LEVEL})", "level"),
            unit="none",
        )
        .mappings(level_words())
        .color_scheme(by_thresholds())
        .thresholds(marks)
        .gradient_mode(GraphGradientMode.SCHEME)
        .fill_opacity(15)
        .decimals(0)
        .axis_soft_max(int(RiskLevel.HIGH))
    )


def _events_over_time() -> timeseries.Panel:
    return steps(
        "Events over time",
        "held: events that Cloudflare lists for the user; falls if events age out or the score is"
        " cleared. counted: events that the exporter has counted.",
        Query(f"sum({now(USER_CURRENT_EVENTS, _CHOSEN)})", "held"),
        Query(_COUNTED, "counted"),
        unit=COUNT,
    ).decimals(0)


def _behaviors() -> table.Panel:
    return rows(
        "Events by behavior",
        "Risk events counted of the user since the account's first poll, by behavior and the"
        " level they had.",
        f"sort_desc({_counted_by('behavior, risk_level')})",
        Column("behavior", "Behavior"),
        Column("risk_level", "Level", words=level_labels()),
        Column(VALUE, "Events", COUNT),
        span=12,
    ).no_value(_UNCERTAIN)


def _behaviors_over_time() -> timeseries.Panel:
    return steps(
        "Events by behavior over time",
        "Risk events counted of the user since the account's first poll, by behavior.",
        Query(_counted_by("behavior"), "{{behavior}}"),
        unit=COUNT,
    ).decimals(0)


ONE_USER: Final = Section(
    "User",
    (
        _who(),
        _level(),
        _current_events(),
        _counted_events(),
        _last_event(),
        _last_reset(),
        data_age(span=4),
        _level_over_time(),
        _events_over_time(),
        _behaviors_over_time(),
        _behaviors(),
    ),
)
