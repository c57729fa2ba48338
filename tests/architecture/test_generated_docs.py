"""The generated tables of README.md and docs/ are current."""

from pathlib import Path

import pytest

from exporter.catalogue import EXPORTER_METRICS, RISK_METRICS
from exporter.settings import OPTIONS
from tools.generate_docs import COMMON_METRICS, COMMON_SETTINGS, DOCUMENTS, ROOT, generate, main

SETTINGS = ROOT / "docs" / "settings.md"

each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def names(table: str) -> list[str]:
    """Return what the rows of a table begin with."""
    return [line.split("`")[1] for line in table.splitlines()[2:]]


def test_the_documents_are_what_the_code_says() -> None:
    """A setting or a metric that is in no document is hard to find."""
    assert main(["--check"]) == 0, "run `make docs`"


def test_every_setting_has_its_row() -> None:
    """docs/settings.md is the reference."""
    table = DOCUMENTS[SETTINGS]["settings"]()
    assert names(table) == [option.variable for option in OPTIONS]


def test_the_readme_has_a_row_for_each_common_setting_and_metric() -> None:
    """A renamed setting must not vanish from the README unnoticed."""
    tables = DOCUMENTS[ROOT / "README.md"]
    assert sorted(names(tables["common-settings"]())) == sorted(COMMON_SETTINGS)
    assert sorted(names(tables["common-metrics"]())) == sorted(COMMON_METRICS)
    assert {metric.name for metric in (*RISK_METRICS, *EXPORTER_METRICS)} > set(COMMON_METRICS)


def test_a_stale_region_is_replaced_and_the_prose_around_it_stays() -> None:
    """Generating must be safe at any time."""
    text = SETTINGS.read_text(encoding="utf-8")
    stale = text.replace("RISK_EXPORTER_LISTEN", "RISK_EXPORTER_LISP")
    assert stale != text
    assert generate(stale, DOCUMENTS[SETTINGS]) == text


@each_document
@pytest.mark.parametrize("text", ["", "<!-- generated: nonsense -->\n<!-- end -->"])
def test_a_missing_or_unknown_region_is_an_error(path: Path, text: str) -> None:
    """Without its marker a table would go stale unnoticed."""
    with pytest.raises(LookupError):
        generate(text, DOCUMENTS[path])
