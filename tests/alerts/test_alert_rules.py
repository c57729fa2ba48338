"""What can be said of the alerts without running any: that each is complete and tells the truth."""

import re

import msgspec
import pytest
import yaml

from tests.support.alert_rules import (
    ALERTS,
    DASHBOARDS,
    RECORDED,
    ROOT,
    RULES,
    RUNBOOKS,
    Rule,
    known_names,
    names_in,
)

RUNBOOK_ROOT = "https://runbooks.example.com/cloudflare-risk-exporter/"
DASHBOARD_ROOT = "https://grafana.example.com/d/"
UNWATCHED = ROOT / "tests" / "alerts" / "unwatched.yml"
CASES = ROOT / "tests" / "alerts" / "rules"

SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Actions")

each_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)


class _Dashboard(msgspec.Struct):
    uid: str


class _Expected(msgspec.Struct):
    alertname: str
    exp_alerts: list[dict[str, object]]


class _Case(msgspec.Struct):
    name: str
    alert_rule_test: list[_Expected] = []


class _Cases(msgspec.Struct):
    tests: list[_Case]


def watched_metrics() -> set[str]:
    """Metrics that an alert, a recording rule or a panel looks at."""
    names = known_names()
    texts = [text for rule in RULES for text in (rule.expr, *rule.annotations.values())]
    texts += [path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json")]
    return {names[name] for text in texts for name in names_in(text) if name in names}


@each_alert
def test_an_alert_says_how_urgent_it_is_and_whose(alert: Rule) -> None:
    """Routes and inhibitions go by these two labels."""
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert alert.labels["component"] in {"risk", "exporter"}
    assert alert.alert.startswith("CloudflareRisk")


@each_alert
def test_an_alert_says_what_it_is_and_where_to_go_on(alert: Rule) -> None:
    """Whoever is woken knows nothing but the notification."""
    assert alert.annotations["summary"]
    assert len(alert.annotations["description"]) > len(alert.annotations["summary"])
    assert alert.annotations["runbook_url"] == f"{RUNBOOK_ROOT}{alert.alert}.md"
    assert alert.annotations["dashboard_url"].startswith(DASHBOARD_ROOT)


@each_alert
def test_the_dashboard_of_an_alert_is_one_of_ours(alert: Rule) -> None:
    """A link into nothing costs the first minute of the night."""
    uids = {
        msgspec.json.decode(path.read_bytes(), type=_Dashboard).uid
        for path in DASHBOARDS.glob("*.json")
    }
    uid = alert.annotations["dashboard_url"].removeprefix(DASHBOARD_ROOT).partition("?")[0]
    assert uid in uids


@each_alert
def test_an_alert_names_what_it_is_about(alert: Rule) -> None:
    """With several accounts and exporters, "data are stale" is no message."""
    about = ("$labels.account", "$labels.instance")
    if alert.alert != "CloudflareRiskExporterAbsent":  # there is nobody left to name
        assert any(label in alert.annotations["summary"] for label in about)
        assert any(label in alert.annotations["description"] for label in about)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.alert or rule.record)
def test_a_rule_asks_for_metrics_that_exist(rule: Rule) -> None:
    """A misspelt metric is an alert that is silent for ever."""
    known = known_names().keys() | RECORDED
    asked = {name for text in (rule.expr, *rule.annotations.values()) for name in names_in(text)}
    assert asked <= known


def test_a_recorded_series_is_used() -> None:
    """A recording rule that nobody reads costs at every evaluation."""
    used = {name for rule in RULES for name in names_in(rule.expr) if name != rule.record}
    assert used >= RECORDED


def test_every_metric_is_watched_or_says_why_not() -> None:
    """A number that nobody looks at is a cost; one that somebody should look at is a gap."""
    excused: dict[str, str] = yaml.safe_load(UNWATCHED.read_text(encoding="utf-8")) or {}
    assert set(known_names().values()) - watched_metrics() == set(excused)
    assert all(excused.values())


@each_alert
def test_an_alert_is_proven_to_fire_and_to_be_silent(alert: Rule) -> None:
    """The proofs themselves are run by promtool; here, that there are both."""
    path = CASES / f"{alert.alert}.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = msgspec.convert(content, _Cases).tests
    expected = [one for case in cases for one in case.alert_rule_test]
    assert {one.alertname for one in expected} == {alert.alert}
    assert any(case.name.startswith("fires") for case in cases)
    assert any(case.name.startswith("is silent") for case in cases)
    assert any(one.exp_alerts for one in expected)
    for case in cases:
        if case.name.startswith("is silent"):
            assert case.alert_rule_test
            assert not any(one.exp_alerts for one in case.alert_rule_test)


@each_alert
def test_an_alert_has_a_runbook(alert: Rule) -> None:
    """At night nobody reads PromQL to find out what is wrong."""
    text = (RUNBOOKS / f"{alert.alert}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.alert}\n")
    positions = [text.find(f"\n{section}\n") for section in SECTIONS]
    assert -1 not in positions
    assert positions == sorted(positions)


@each_alert
def test_the_index_of_runbooks_tells_of_every_alert(alert: Rule) -> None:
    """It is the one table of what can fire, and how urgent it is."""
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert f"| [{alert.alert}]({alert.alert}.md) | {alert.labels['severity']} |" in index


def test_every_runbook_is_of_an_alert() -> None:
    """A page for an alert that is gone misleads."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_a_runbook_speaks_of_metrics_that_exist(name: str) -> None:
    """A query that gives nothing looks like good news."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert set(names_in(text)) <= known_names().keys() | RECORDED


def test_the_way_to_change_the_links_is_told() -> None:
    """The roots in the rules are placeholders; whoever installs them has their own."""
    text = (ROOT / "deploy" / "prometheus" / "README.md").read_text(encoding="utf-8")
    for root in (RUNBOOK_ROOT, DASHBOARD_ROOT):
        assert re.search(rf"sed -i.*#{re.escape(root)}#", text, re.DOTALL)
