"""Administration: what people changed, which is where an attacker would hide."""

from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries

from exporter.catalogue.risk import (
    BEHAVIOR_ENABLED,
    BEHAVIOR_INFO,
    BEHAVIOR_LEVEL,
    INTEGRATION_ACTIVE,
    INTEGRATION_CREATED,
    INTEGRATION_INFO,
    RESETS,
)
from exporter.risk.model import LISTED_LEVELS, RiskLevel
from grafana.board import Section
from grafana.palette import BLUE, GOLD, GREY, RED, behavior_words, thresholds, words
from grafana.panels import COUNT, Query, areas, coloured_by_level, counts, number, with_colour
from grafana.queries import RANGE, RATE, as_label, at_level, counted, growth, milliseconds, now
from grafana.queries import series as of_chosen
from grafana.tables import VALUE, Column, rows

_BEHAVIOR: Final = "account, behavior"
_INTEGRATION: Final = "account, integration_id"

_GIVES: Final = f"{now(BEHAVIOR_LEVEL)} * {now(BEHAVIOR_ENABLED)}"
"""The level a behavior gives: one that is disabled gives none."""

_CHANGES: Final = " + ".join(
    f"max by ({_BEHAVIOR}) (changes({of_chosen(setting)}[{RANGE}]))"
    for setting in (BEHAVIOR_ENABLED, BEHAVIOR_LEVEL)
)


def _resets() -> stat.Panel:
    return number(
        "Resets",
        "Risk scores cleared in the time range shown.",
        counted(RESETS),
        unit=COUNT,
        span=6,
    )


def _behaviors_disabled() -> stat.Panel:
    return number(
        "Behaviors disabled",
        "Behaviors that are disabled and raise no risk level.",
        f"sum(1 - {now(BEHAVIOR_ENABLED)})",
        unit=COUNT,
        span=6,
    ).thresholds(thresholds("text", (1, GOLD)))


def _behaviors_changed() -> stat.Panel:
    return number(
        "Behavior settings changed",
        "How often a behavior was enabled or disabled, or its level was changed, in the time range shown.",
        f"sum({_CHANGES})",
        unit=COUNT,
        span=6,
    ).thresholds(thresholds("text", (1, GOLD)))


def _integrations_inactive() -> stat.Panel:
    return (
        number(
            "Integrations inactive",
            "Integrations, such as Okta tenants, that receive no risk levels.",
            f"sum(1 - {now(INTEGRATION_ACTIVE)})",
            unit=COUNT,
            span=6,
        )
        .thresholds(thresholds("text", (1, RED)))
        .no_value("no integration")
    )


def _resets_over_time() -> timeseries.Panel:
    return counts(
        "Resets by account",
        "Risk scores cleared, per interval.",
        Query(growth(RESETS, window=RATE, by="account"), "{{account}}"),
    )


def _behaviors_over_time() -> timeseries.Panel:
    legends = {RiskLevel.NONE: "disabled"} | {level: level.label for level in LISTED_LEVELS}
    panel = coloured_by_level(
        areas(
            "Behaviors by the level they give",
            "A step is a change of the configuration: a behavior was enabled or disabled, or its level"
            " was changed.",
            *(Query(at_level(f"({_GIVES})", level), name) for level, name in legends.items()),
            unit=COUNT,
        ).decimals(0)
    )
    return with_colour(panel, legends[RiskLevel.NONE], GREY)


def _behaviors() -> table.Panel:
    return rows(
        "Behaviors",
        "The configuration of each behavior, and how often it changed in the time range shown;"
        " changed behaviors first.",
        f"sort_desc(({_CHANGES})"
        f" * on ({_BEHAVIOR}) group_left (level) {as_label('level', _GIVES, of=_BEHAVIOR)}"
        f" * on ({_BEHAVIOR}) group_left (name, description) {now(BEHAVIOR_INFO)})",
        Column("account", "Account", width=110),
        Column("behavior", "Behavior", width=220),
        Column("name", "Name", width=300),
        Column("level", "Gives", "none", words=behavior_words(), width=90),
        Column(VALUE, "Changes", COUNT, width=90),
        Column("description", "Description"),
    ).height(10)


def _integrations() -> table.Panel:
    created = as_label("created", milliseconds(now(INTEGRATION_CREATED)), of=_INTEGRATION)
    return (
        rows(
            "Integrations",
            "Receivers of risk levels, inactive ones first.",
            f"sort({now(INTEGRATION_ACTIVE)}"
            f" * on ({_INTEGRATION}) group_left (created) {created}"
            f" * on ({_INTEGRATION}) group_left (integration_type, tenant_url, reference_id)"
            f" {now(INTEGRATION_INFO)})",
            Column("account", "Account", width=110),
            Column("integration_type", "Type", width=80),
            Column(VALUE, "State", "none", words=_ACTIVE, width=90),
            Column("tenant_url", "Tenant"),
            Column("reference_id", "Reference", width=320),
            Column("created", "Created", "dateTimeAsIso", width=170),
            Column("integration_id", "Integration", width=320),
        )
        .no_value("no integration")
        .height(5)
    )


_ACTIVE: Final = words({1: ("active", BLUE), 0: ("inactive", RED)})

ADMINISTRATION: Final = Section(
    "Administration",
    (
        _resets(),
        _behaviors_disabled(),
        _behaviors_changed(),
        _integrations_inactive(),
        _resets_over_time(),
        _behaviors_over_time(),
        _behaviors(),
        _integrations(),
    ),
)
