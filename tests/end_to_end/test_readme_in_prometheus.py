"""What the README has people paste into Prometheus, pasted into a real one."""

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.support.programs import require_program
from tests.support.prometheus import run_prometheus, scrape_config
from tests.support.road import run_demo

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


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


def test_the_scrape_config_of_the_readme_is_one(tmp_path: Path) -> None:
    """It is pasted into a file that other jobs depend on."""
    (snippet,) = (text for text in blocks("yaml") if text.startswith("scrape_configs"))
    path = tmp_path / "prometheus.yml"
    path.write_text(snippet, encoding="utf-8")
    command = [str(require_program("promtool")), "check", "config", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
