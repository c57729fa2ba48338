"""The rules and runbooks as they are shipped, as values."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from exporter.catalogue import EXPORTER_METRICS, PREFIX, RISK_METRICS, MetricType

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULE_FILES = tuple(sorted((PROMETHEUS / "rules").glob("*.yml")))
RUNBOOKS = ROOT / "docs" / "runbooks"
DASHBOARDS = ROOT / "grafana" / "dashboards"

_NAME = re.compile(rf"[\w:]*{PREFIX}[\w:]*")
_HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")


class Rule(msgspec.Struct, frozen=True):
    """One rule of a file; `alert` or `record` is its name, the other one is empty."""

    expr: str
    alert: str = ""
    record: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Group(msgspec.Struct):
    name: str
    rules: list[Rule]


class _RuleFile(msgspec.Struct):
    groups: list[_Group]


def read_rules(path: Path) -> list[Rule]:
    """Read all rules of one file."""
    content = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _RuleFile)
    return [rule for group in content.groups for rule in group.rules]


RULES = tuple(rule for path in RULE_FILES for rule in read_rules(path))
ALERTS: Mapping[str, Rule] = {rule.alert: rule for rule in RULES if rule.alert}
RECORDED = frozenset(rule.record for rule in RULES if rule.record)


def known_names() -> dict[str, str]:
    """Each name a query may use -> the metric of the catalogue that has it."""
    names = {}
    for metric in (*RISK_METRICS, *EXPORTER_METRICS):
        names[metric.name] = metric.name
        if metric.type is MetricType.HISTOGRAM:
            names |= {metric.name + part: metric.name for part in _HISTOGRAM_PARTS}
    return names


def names_in(text: str) -> Iterator[str]:
    """All names of our metrics and recording rules in a text."""
    for match in _NAME.finditer(text):
        yield match[0]
