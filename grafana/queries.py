"""PromQL expressions of the panels, built from the catalogue.

Gauges are queried with `now`, which merges the series of several scrape targets: an exporter that
has moved to another pod is scraped as two targets for a while. Counters are summed with `growth`,
because each of the two targets holds a part of the growth.
"""

from typing import Final

from exporter.catalogue import Metric
from exporter.catalogue.risk import USER_INFO
from exporter.risk.model import RiskLevel

RATE: Final = "$__rate_interval"
"""The window of a graph: Grafana chooses it so that no sample falls between two points."""

RANGE: Final = "$__range"
"""The window of a number: the range of the time picker."""

SPARSE: Final = "10m"
"""The window of a quantile: twice the longest poll interval, to avoid gaps."""


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Return a selector of the chosen accounts, or of the chosen targets for a metric without account.

    `suffix` is the suffix of a histogram's sample, such as `_bucket`.
    """
    chosen = (
        ('account=~"$account"',)
        if "account" in metric.labels
        else ('job=~"$job"', 'instance=~"$instance"')
    )
    return f"{metric.name}{suffix}{{{', '.join((*chosen, *matchers))}}}"


def now(metric: Metric, *matchers: str) -> str:
    """Return the present value of a gauge, with its own labels only."""
    return f"max by ({', '.join(metric.labels)}) ({series(metric, *matchers)})"


def known(metric: Metric, *matchers: str) -> str:
    """Return the last value of a gauge in the range of the time picker."""
    last = f"last_over_time({series(metric, *matchers)}[{RANGE}])"
    return f"max by ({', '.join(metric.labels)}) ({last})"


def growth(metric: Metric, *matchers: str, window: str, by: str = "") -> str:
    """Return the growth of a counter in `window`, by the labels in `by`, or in total."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({series(metric, *matchers)}[{window}]))"


def counted(metric: Metric, *matchers: str, by: str = "") -> str:
    """Return the growth in the range of the time picker, rounded to a whole number.

    `increase` extrapolates to the edges of the range, and returns 3.02 for three events.
    """
    return f"round({growth(metric, *matchers, window=RANGE, by=by)})"


def quantile(rank: float, metric: Metric, *, by: str = "") -> str:
    """Return a quantile of a histogram over `SPARSE`, by the labels in `by`, or in total.

    The result is empty without observations: the comparison drops NaN.
    """
    labels = f"le, {by}" if by else "le"
    rates = f"rate({series(metric, suffix='_bucket')}[{SPARSE}])"
    return f"histogram_quantile({rank}, sum by ({labels}) ({rates})) >= 0"


def level_of(level: RiskLevel) -> str:
    """Return a matcher of one level."""
    return f'risk_level="{level.label}"'


def as_label(label: str, expression: str, *, of: str) -> str:
    """Turn the value of each series, by the labels in `of`, into a label; its value is then 1.

    With this, a table with several numbers per row is one query, evaluated at one time.
    """
    return f'count_values by ({of}) ("{label}", {expression})'


def named(expression: str, *, info: str = "") -> str:
    """Add email and name to series of users, if identities are exposed.

    `info` is the expression to take them from, by default the present `user_info`.
    """
    user = "on (account, user_id)"
    names = f"({expression}) * {user} group_left (email, name) {info or now(USER_INFO)}"
    return f"{names} or {user} ({expression})"


def milliseconds(expression: str) -> str:
    """Convert Unix seconds to milliseconds, as Grafana's units of date and time need."""
    return f"{expression} * 1000"


def at_level(expression: str, level: RiskLevel) -> str:
    """Count the series of a gauge that are at `level`; empty without data."""
    return f"sum({expression} == bool {int(level)})"
