"""What the README has people paste into Prometheus, pasted into a real one."""

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.support.programs import require_program
from tests.support.prometheus import Prometheus, run_prometheus, scrape_config
from tests.support.road import run_demo, run_serve, run_simulation

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


async def test_the_queries_of_the_readme_count_an_account_of_two_exporters_once(
    tmp_path: Path,
) -> None:
    """Two exporters of one account are a documented way to run it; sums must not double."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    async with run_simulation("--users", "60") as (_, cloudflare):
        await cloudflare.order("pause")
        user = next(iter(await cloudflare.summary()))
        async with (
            run_serve(cloudflare, folders[0], RISK_EXPORTER_POLL_INTERVAL="1s") as first,
            run_serve(cloudflare, folders[1], RISK_EXPORTER_POLL_INTERVAL="1s") as second,
            run_prometheus(tmp_path, scrape_config(first.url, second.url)) as prometheus,
        ):
            await prometheus.until("count(cloudflare_zt_risk_up == 1) == 2")
            await cloudflare.order("events", user=user, behavior="imp_travel", count=3)
            counted = "sum by (instance) (increase(cloudflare_zt_risk_events_total[1h])) > 0"
            await prometheus.until(f"count({counted}) == 2")
            now = await prometheus.value("vector(time())")
            for query in blocks("promql"):
                alone = [
                    await answer(prometheus, of_instance(query, exporter.url), at=now)
                    for exporter in (first, second)
                ]
                together = await answer(prometheus, query, at=now)
                assert set(together) == set(alone[0]) == set(alone[1]), query
                assert together == {key: max(part[key] for part in alone) for key in together}


def of_instance(query: str, url: str) -> str:
    """Return a query of the README that reads the series of one exporter only."""
    instance = url.removeprefix("http://")
    return re.sub(r"\bcloudflare_zt_risk_\w+", rf'\g<0>{{instance="{instance}"}}', query)


async def answer(
    prometheus: Prometheus, query: str, *, at: float | None
) -> dict[frozenset[tuple[str, str]], float]:
    """Return the value of each series of an answer, by its labels."""
    rows = await prometheus.query(query, at=at)
    return {frozenset(row.labels.items()): row.value for row in rows}


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
