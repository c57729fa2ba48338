"""The panels of all boards: one way to draw a number, a line, a bar and a ranking."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BarGaugeNamePlacement,
    BarGaugeValueMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue

from grafana.palette import BLUE, LEVEL_COLOURS, by_order, by_thresholds, fixed, thresholds

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
COUNT: Final = "locale"
"""The unit of users, events and requests: whole numbers in full."""

STAT_HEIGHT: Final = 4
GRAPH_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and the legend of its series, which can contain `{{label}}`."""

    expression: str
    legend: str


def instant(expression: str, *, legend: str = "") -> prometheus.Dataquery:
    """Return an instant query at the end of the time range."""
    query = prometheus.Dataquery().datasource(SOURCE).ref_id("A").expr(expression)
    return query.instant().legend_format(legend or "__auto")


def number(
    title: str, description: str, expression: str, *, unit: str, span: int = 3
) -> stat.Panel:
    """Return a panel with one number, at the end of the time range."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(STAT_HEIGHT)
        .with_target(instant(expression, legend=title))
        .unit(unit)
        .no_value("no data")
        .color_scheme(by_thresholds())
        .thresholds(thresholds("text"))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(
    title: str, description: str, *queries: Query, unit: str, span: int = 12
) -> timeseries.Panel:
    """Return a panel of lines over time; the axis begins at 0."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(GRAPH_HEIGHT)
        .unit(unit)
        .axis_soft_min(0)
        .color_scheme(by_order())
        .line_width(2)
        .fill_opacity(0)
        .show_points(VisibilityMode.AUTO)
        .point_size(4)
        .legend(legend.show_legend(True).placement(LegendPlacement.BOTTOM))
        .tooltip(tooltip.sort(SortOrder.DESCENDING))
    )
    for index, query in enumerate(queries):
        panel.with_target(
            prometheus.Dataquery()
            .datasource(SOURCE)
            .ref_id(chr(ord("A") + index))
            .expr(query.expression)
            .range()
            .legend_format(query.legend)
        )
    return panel


def steps(
    title: str, description: str, *queries: Query, unit: str, span: int = 12
) -> timeseries.Panel:
    """Return a panel of lines that hold their value until the next point."""
    panel = lines(title, description, *queries, unit=unit, span=span)
    return panel.line_interpolation(LineInterpolation.STEP_AFTER).show_points(VisibilityMode.NEVER)


def areas(
    title: str, description: str, *queries: Query, unit: str, span: int = 12
) -> timeseries.Panel:
    """Return a panel of stacked areas, for the parts of a whole.

    They have no edge, because the edge of a part of 0 would cover the one below it.
    """
    panel = steps(title, description, *queries, unit=unit, span=span)
    return panel.line_width(0).fill_opacity(70).stacking(_stacked())


def counts(title: str, description: str, *queries: Query, span: int = 12) -> timeseries.Panel:
    """Return a panel of stacked counts per interval.

    An interval is at least a minute, so that a rare event is visible. A point describes the time
    before it, so the step comes before the point.
    """
    panel = areas(title, description, *queries, unit=COUNT, span=span)
    panel.line_interpolation(LineInterpolation.STEP_BEFORE).fill_opacity(100)
    return panel.interval("1m").decimals(0).axis_soft_max(1)


def ranking(
    title: str, description: str, query: Query, *, unit: str, span: int = 8
) -> bargauge.Panel:
    """Return a panel with a bar per series, in the order of the query."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(GRAPH_HEIGHT)
        .with_target(instant(query.expression, legend=query.legend))
        .unit(unit)
        .min(0)
        .no_value("no data")
        .color_scheme(fixed(BLUE))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .value_mode(BarGaugeValueMode.TEXT)
        .name_placement(BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def coloured_by_level(panel: timeseries.Panel) -> timeseries.Panel:
    """Give series named after a level the colour of that level."""
    for level, colour in LEVEL_COLOURS.items():
        with_colour(panel, level.label, colour)
    return panel


def with_colour(panel: timeseries.Panel, name: str, colour: str) -> timeseries.Panel:
    """Give the series `name` a colour."""
    scheme = DynamicConfigValue(id_val="color", value=fixed(colour).build())
    return panel.override_by_name(name, [scheme])


def _stacked() -> common.StackingConfig:
    return common.StackingConfig().mode(StackingMode.NORMAL).group("A")
