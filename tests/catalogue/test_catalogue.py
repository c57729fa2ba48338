"""The catalogue keeps the public contract's names."""

import re

import pytest

from exporter.catalogue import (
    EXPORTER_METRICS,
    EXPORTER_PREFIX,
    PREFIX,
    RISK_METRICS,
    USER_FAMILIES,
    Metric,
    MetricType,
    account_families,
    metric_table,
)
from exporter.risk.model import AccountGauges, AccountSnapshot, RiskLevel
from tests.support.snapshots import full_account

METRICS = (*RISK_METRICS, *EXPORTER_METRICS)

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_no_name_is_declared_twice() -> None:
    """Two families of one name are an error in both formats."""
    families = [metric.family for metric in METRICS]

    assert len(families) == len(set(families))


@every_metric
def test_a_name_ends_in_total_exactly_where_it_is_a_counter(metric: Metric) -> None:
    """OpenMetrics demands it and promtool warns about it."""
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)


@every_metric
def test_a_name_is_a_valid_one_under_the_prefix(metric: Metric) -> None:
    """Names outside the old alphabet need quoting in every query."""
    prefix = EXPORTER_PREFIX if metric in EXPORTER_METRICS else PREFIX

    assert re.fullmatch(prefix + "[a-z][a-z_]*[a-z]", metric.name)


@every_metric
def test_help_is_a_sentence_and_says_the_unit_where_there_is_one(metric: Metric) -> None:
    """HELP is the documentation people meet first, in the autocompletion of a query."""
    assert metric.help.endswith(".")
    assert "\n" not in metric.help
    for unit in ("seconds", "bytes"):
        assert unit not in metric.name or unit in metric.help.lower()


@pytest.mark.parametrize("metric", RISK_METRICS, ids=lambda metric: metric.name)
def test_account_is_the_first_label_of_every_risk_metric(metric: Metric) -> None:
    """The renderer and every dashboard count on it."""
    assert metric.labels[0] == "account"


@every_metric
def test_buckets_rise_and_belong_to_histograms_alone(metric: Metric) -> None:
    """A histogram without bounds, or with crossed ones, cannot be read."""
    assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_risk_metric_is_shown_by_some_family() -> None:
    """A metric that is promised and never exposed is a lie in the documentation."""
    snapshot = AccountSnapshot("acme", "1", gauges=AccountGauges({}))
    shown = {family.metric for family in account_families(snapshot)}
    shown |= {family.metric for family in USER_FAMILIES}

    assert shown == set(RISK_METRICS)


def users_samples(gauges: AccountGauges) -> dict[str, float]:
    """The samples of `users`, by level."""
    families = account_families(AccountSnapshot("acme", "1", gauges=gauges))
    (family,) = (one for one in families if one.metric.name == "cloudflare_zt_risk_users")
    return {sample.labels[0]: sample.value for sample in family.samples}


def test_users_of_every_level_are_shown_from_zero_those_of_an_unknown_level_included() -> None:
    """A missing series makes an alert's expression empty rather than false."""
    nobody = {"low": 0, "medium": 0, "high": 0, "unknown": 0}
    assert users_samples(AccountGauges({})) == nobody
    assert users_samples(AccountGauges({RiskLevel.UNKNOWN: 2}))["unknown"] == 2


def test_an_unknown_level_is_a_number_above_high() -> None:
    """A query for levels of 3 and more must find it, because it may be worse than high."""
    assert max(RiskLevel) is RiskLevel.UNKNOWN
    assert int(RiskLevel.UNKNOWN) == 4
    assert RiskLevel.UNKNOWN.label == "unknown"


def test_every_level_change_is_there_at_zero() -> None:
    """`increase()` misses the first change of a series that was not there before it."""
    families = account_families(AccountSnapshot("acme", "1"))
    (family,) = (one for one in families if "level_changes" in one.metric.name)

    assert len(family.samples) == 12
    assert {sample.value for sample in family.samples} == {0}
    assert all(before != after for before, after in (one.labels for one in family.samples))


def test_every_counter_and_nothing_else_says_since_when_it_counts() -> None:
    """Prometheus reads a family once for each counter in it that has no `_created`."""
    snapshot = full_account()
    samples = {family.metric: family.samples for family in account_families(snapshot)}
    samples |= {one.metric: one.samples(snapshot.users["u1"]) for one in USER_FAMILIES}

    for metric in RISK_METRICS:
        assert {one.created is not None for one in samples[metric]} == {metric.is_counter}


def test_up_needs_data_to_be_shown() -> None:
    """A poll that succeeded long ago and whose data are withdrawn is no all-clear."""
    (up, *_) = account_families(AccountSnapshot("acme", "1", up=True, gauges=None))

    assert [sample.value for sample in up.samples] == [0]


def test_the_table_has_a_row_for_every_metric() -> None:
    """The documentation is made of it."""
    lines = metric_table(METRICS).splitlines()

    assert len(lines) == 2 + len(METRICS)
    assert lines[2].startswith("| `cloudflare_zt_risk_up` | gauge | `account` | Whether ")
    assert {line.count(" | ") for line in lines[2:]} == {3}
