"""PromQL made from the catalogue: what a panel asks.

Gauges are asked for as `now`, which merges what several scrape targets say of one thing: an
exporter that has just moved to another pod is seen twice for a moment. Counters are summed as
`growth`, because there the two targets each hold a part of the growth.
"""

from typing import Final

from exporter.catalogue import Metric
from exporter.catalogue.risk import USER_INFO
from exporter.risk.model import RiskLevel

RATE: Final = "$__rate_interval"
"""The window of a graph: no event falls between two of its points."""

RANGE: Final = "$__range"
"""The window of a number: all that the time picker shows."""

SPARSE: Final = "10m"
"""The window of a quantile: twice the slowest regular poll, else there would be gaps."""


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Select the series of the chosen accounts; of the chosen targets where no account is said.

    `suffix` is that of a histogram's sample, such as `_bucket`.
    """
    chosen = (
        ('account=~"$account"',)
        if "account" in metric.labels
        else ('job=~"$job"', 'instance=~"$instance"')
    )
    return f"{metric.name}{suffix}{{{', '.join((*chosen, *matchers))}}}"


def now(metric: Metric, *matchers: str) -> str:
    """Give the gauge as it is, with its own labels alone."""
    return f"max by ({', '.join(metric.labels)}) ({series(metric, *matchers)})"


def known(metric: Metric, *matchers: str) -> str:
    """Give the gauge as it was last known in the range of the time picker."""
    last = f"last_over_time({series(metric, *matchers)}[{RANGE}])"
    return f"max by ({', '.join(metric.labels)}) ({last})"


def growth(metric: Metric, *matchers: str, window: str, by: str = "") -> str:
    """Give how much the counter grew in `window`, by the labels in `by`, or in all."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({series(metric, *matchers)}[{window}]))"


def counted(metric: Metric, *matchers: str, by: str = "") -> str:
    """Give the growth in the range of the time picker, as the whole number it must have been.

    `increase` extrapolates to the edges of the range, so it says 3.02 of three events.
    """
    return f"round({growth(metric, *matchers, window=RANGE, by=by)})"


def quantile(rank: float, metric: Metric, *, by: str = "") -> str:
    """Give a quantile of the histogram over `SPARSE`, by the labels in `by`, or of all.

    Nothing where nothing was observed: the comparison drops what is not a number.
    """
    labels = f"le, {by}" if by else "le"
    rates = f"rate({series(metric, suffix='_bucket')}[{SPARSE}])"
    return f"histogram_quantile({rank}, sum by ({labels}) ({rates})) >= 0"


def level_of(level: RiskLevel) -> str:
    """Match one level by its label."""
    return f'risk_level="{level.label}"'


def as_label(label: str, expression: str, *, of: str) -> str:
    """Turn the value of each `of` (labels) into a label; the value is then 1.

    So a table of several numbers a row is one query: the rows fit together by themselves, and
    all their numbers are of the same moment.
    """
    return f'count_values by ({of}) ("{label}", {expression})'


def named(expression: str, *, info: str = "") -> str:
    """Add email and name to what is said of users, where identities are exposed.

    `info` is the `user_info` to take them from; that of now, where it is empty.
    """
    user = "on (account, user_id)"
    names = f"({expression}) * {user} group_left (email, name) {info or now(USER_INFO)}"
    return f"{names} or {user} ({expression})"


def milliseconds(expression: str) -> str:
    """Turn Unix seconds into what Grafana's units of date and time are fed with."""
    return f"{expression} * 1000"


def at_level(expression: str, level: RiskLevel) -> str:
    """Count the rows of a level's gauge that are at `level`: 0 where none, nothing without data."""
    return f"sum({expression} == bool {int(level)})"
