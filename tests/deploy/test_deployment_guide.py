import re
from pathlib import Path

import pytest
import yaml

from exporter.settings import OPTIONS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_every_setting_of_the_guide_exists() -> None:
    """A misspelt variable is refused at the start, in the middle of somebody's deployment."""
    named = set(re.findall(r"\b(?:RISK_EXPORTER|CLOUDFLARE)_[A-Z_]+", GUIDE))
    assert named
    assert named <= {option.variable for option in OPTIONS}


def test_every_file_of_the_guide_exists() -> None:
    """Paths in the checkout, as the guide's commands use them."""
    named = set(re.findall(r"\bdeploy/[\w./-]*\w", GUIDE)) - {"deploy/.env"}
    assert named
    assert not [path for path in named if not list(ROOT.glob(f"{path}*"))]


@pytest.mark.parametrize(
    "block", re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
)
def test_what_the_guide_shows_of_yaml_is_yaml(block: str) -> None:
    """It is there to be copied."""
    assert isinstance(yaml.safe_load(block), dict)


def test_every_anchor_of_the_guide_leads_somewhere() -> None:
    """The table at its beginning is how people get around in it."""
    headings = re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", GUIDE)) <= anchors
