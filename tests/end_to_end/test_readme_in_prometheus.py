"""What the README has people paste into Prometheus, pasted into a real one."""

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.support.programs import require_program
from tests.support.prometheus import run_prometheus, scrape_config
from tests.support.road import run_demo

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the text of the README's code blocks in a language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for text in found]


async def test_every_query_of_the_readme_answers_in_front_of_the_demo(tmp_path: Path) -> None:
    """An example that gives nothing, or an error, is the end of a first try."""
    *answering, alarming = blocks("promql")
    async with (
        run_demo() as demo,
        run_prometheus(tmp_path, scrape_config(demo.url)) as prometheus,
    ):
        for query in answering:
            await prometheus.until(query)
        assert await prometheus.query(alarming) == []
    assert len(answering) >= 3


def scrape_config_of_the_readme() -> str:
    """Return the configuration that the README shows."""
    (snippet,) = (text for text in blocks("yaml") if "scrape_configs:" in text)
    return snippet


def test_the_scrape_config_of_the_readme_is_one(tmp_path: Path) -> None:
    """It is pasted into a file that other jobs depend on."""
    path = tmp_path / "prometheus.yml"
    path.write_text(scrape_config_of_the_readme(), encoding="utf-8")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    command = [str(require_program("promtool")), "check", "config", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


async def test_with_the_readme_s_scrape_config_the_alerts_see_a_healthy_target(
    tmp_path: Path,
) -> None:
    """Absent and Down must match the job that a reader has pasted; only the port differs here."""
    async with run_demo() as demo:
        address = demo.url.removeprefix("http://")
        text = scrape_config_of_the_readme().replace("127.0.0.1:10876", address)
        (job,) = yaml.safe_load(text)["scrape_configs"]
        async with run_prometheus(
            tmp_path,
            {**job, "scrape_interval": "1s", "scrape_timeout": "1s"},
            rule_files=[ROOT / "deploy" / "prometheus" / "rules" / "exporter.yml"],
        ) as prometheus:
            await prometheus.until("up == 1")
            rules = {rule.name: rule for group in await prometheus.rules() for rule in group.rules}
            absent = await prometheus.query(rules["CloudflareRiskExporterAbsent"].query)
            down = rules["CloudflareRiskExporterDown"].query
            assert await prometheus.query(down) == []
            healthy = await prometheus.query(down.replace("== 0", "== 1"))
    assert absent == []
    assert [sample.labels["instance"] for sample in healthy] == [address]
