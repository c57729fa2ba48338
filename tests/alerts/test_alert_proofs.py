"""What promtool and amtool say: of the rules, of their proofs, of the examples and runbooks."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.alert_rules import PROMETHEUS, RULE_FILES, RUNBOOKS
from tests.support.programs import require_program
from tests.support.yaml_file import write_yaml

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROOFS = sorted([*(HERE / "rules").glob("*.yml"), *(HERE / "laws").glob("*.yml")])

_QUERY = re.compile(r"^```promql\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(program: str, *arguments: str | Path) -> None:
    """Run a program that must end well; what it says is shown where it does not."""
    done = subprocess.run(
        [require_program(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", PROOFS, ids=lambda path: path.stem)
def test_the_alert_fires_and_is_silent_as_it_should(path: Path) -> None:
    """An alert that was never seen firing is a hope, one that was never seen silent is noise."""
    run("promtool", "test", "rules", path)


def test_prometheus_accepts_the_rules() -> None:
    """With lint on: no rule stands there twice."""
    run("promtool", "check", "rules", "--lint-fatal", *RULE_FILES)


def test_prometheus_accepts_the_example() -> None:
    """People begin by copying it."""
    run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


def test_alertmanager_accepts_the_example() -> None:
    """People begin by copying it."""
    run("amtool", "check-config", PROMETHEUS / "alertmanager.yml")


def test_every_query_of_a_runbook_is_one(tmp_path: Path) -> None:
    """A query that does not parse is found out at night."""
    queries = [
        query
        for path in sorted(RUNBOOKS.glob("*.md"))
        for query in _QUERY.findall(path.read_text(encoding="utf-8"))
    ]
    assert queries
    rules = [{"record": f"query:{number}", "expr": one} for number, one in enumerate(queries)]
    path = write_yaml(tmp_path / "queries.yml", {"groups": [{"name": "runbooks", "rules": rules}]})
    run("promtool", "check", "rules", path)


@pytest.mark.parametrize(
    ("alertname", "labels", "receiver"),
    [
        ("CloudflareRiskUserHigh", ["component=risk", "user_id=ada"], "security"),
        ("CloudflareRiskExporterDown", ["component=exporter"], "operations"),
    ],
)
def test_the_example_tells_the_right_people(
    alertname: str, labels: list[str], receiver: str
) -> None:
    """Whoever runs the exporter should not read who was where, and the reverse is of no use."""
    config = f"--config.file={PROMETHEUS / 'alertmanager.yml'}"
    verify = f"--verify.receivers={receiver}"
    run("amtool", "config", "routes", "test", config, verify, f"alertname={alertname}", *labels)
