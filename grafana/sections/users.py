"""Users: how many at which level over time, who rose, and who it is."""

from typing import Final

from grafana_foundation_sdk.builders import table, timeseries

from exporter.catalogue.risk import (
    LEVEL_CHANGES,
    USER_CURRENT_EVENTS,
    USER_LAST_EVENT,
    USER_LEVEL,
    USERS,
)
from exporter.risk.model import KNOWN_LEVELS, LISTED_LEVELS, RiskLevel
from grafana.board import LINK_TO_USER, Section
from grafana.palette import level_words
from grafana.panels import COUNT, Query, areas, coloured_by_level, counts
from grafana.queries import RATE, as_label, growth, level_of, milliseconds, named, now
from grafana.tables import VALUE, Column, rows

_MOST_ROWS: Final = 100
"""A bound, because thousands of rows stall the browser."""

_USER: Final = "account, user_id"
_STACKED_LEVELS: Final = (*LISTED_LEVELS, RiskLevel.UNKNOWN)


def _by_level() -> timeseries.Panel:
    return coloured_by_level(
        areas(
            "Users by level",
            "Users with a risk level. Cloudflare does not list users without risk events"
            " or with a cleared score. Unknown is a level that this version of the exporter does not"
            " know.",
            *(Query(_users(level), level.label) for level in _STACKED_LEVELS),
            unit=COUNT,
            span=9,
        ).decimals(0)
    )


def _users(level: RiskLevel) -> str:
    return f"sum({now(USERS, level_of(level))})"


def _level_changes() -> timeseries.Panel:
    return coloured_by_level(
        counts(
            "Changes of level",
            "Changes of users' levels by new level, per interval: high are users newly at high risk,"
            " none are users who are no longer listed.",
            *(
                Query(growth(LEVEL_CHANGES, f'to="{level.label}"', window=RATE), level.label)
                for level in KNOWN_LEVELS
            ),
            span=9,
        )
    )


def _at_high_risk() -> table.Panel:
    level = now(USER_LEVEL)
    return rows(
        "Who is at high risk",
        "Users whose level is high, or unknown, which may be worse; the latest events first, at"
        f" most {_MOST_ROWS}. Emails and names need RISK_EXPORTER_IDENTITY=full,"
        " users need per-user series.",
        _latest(f"({level} >= {int(RiskLevel.HIGH)})"),
        *_columns(),
    ).no_value("no users, or no series per user")


def latest_users() -> table.Panel:
    """Return a table of all listed users, with links to their boards."""
    return rows(
        "Other users",
        f"Users with a risk level, the latest events first, at most {_MOST_ROWS}. Click a user"
        " to show them on this dashboard.",
        _latest(now(USER_LEVEL)),
        *_columns(),
    ).filterable(True)


def _latest(level: str) -> str:
    """Return the users of the expression `level`, ordered by their last event."""
    events = now(USER_CURRENT_EVENTS)
    known = (
        f"{milliseconds(now(USER_LAST_EVENT))}"
        f" * on ({_USER}) group_left (level) {as_label('level', level, of=_USER)}"
        f" * on ({_USER}) group_left (events) {as_label('events', events, of=_USER)}"
    )
    return f"topk({_MOST_ROWS}, {named(known)})"


def _columns() -> tuple[Column, ...]:
    return (
        Column("account", "Account", width=110),
        Column("email", "Email"),
        Column("name", "Name", width=240),
        Column("level", "Level", "none", words=level_words(), width=80),
        Column("events", "Events", COUNT, width=70),
        Column(VALUE, "Last event", "dateTimeFromNow", width=150),
        Column("user_id", "User", width=345, link=LINK_TO_USER),
    )


def _accounts() -> table.Panel:
    def users(level: RiskLevel) -> str:
        return f"sum by (account) ({now(USERS, level_of(level))})"

    others = (RiskLevel.MEDIUM, RiskLevel.LOW)
    beside = (
        f" * on (account) group_left ({level.label})"
        f" {as_label(level.label, users(level), of='account')}"
        for level in others
    )
    return rows(
        "Accounts",
        "Users by level in each account, the accounts with most at high risk first.",
        f"sort_desc({users(RiskLevel.HIGH)}{''.join(beside)})",
        Column("account", "Account"),
        Column(VALUE, "High", COUNT, width=60),
        *(Column(level.label, level.label.title(), COUNT, width=75) for level in others),
        span=6,
    )


USERS_AT_RISK: Final = Section(
    "Users", (_by_level(), _level_changes(), _accounts(), _at_high_risk())
)
