"""The README says what the code does."""

import pytest

from exporter.settings import OPTIONS
from tools.generate_docs import README, TABLES, generate, main


def test_the_readme_is_what_the_code_says() -> None:
    """A setting or a metric that is not in the README does not exist for its readers."""
    assert main(["--check"]) == 0, "run `make docs`"


def test_every_setting_has_its_row() -> None:
    """The table is all the reference there is."""
    table = TABLES["settings"]()
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == [
        option.variable for option in OPTIONS
    ]


def test_a_stale_region_is_replaced_and_the_prose_around_it_stays() -> None:
    """Generating must be safe to run at any time."""
    text = README.read_text(encoding="utf-8").replace("RISK_EXPORTER_LISTEN", "RISK_EXPORTER_LISP")
    assert generate(text) == README.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "<!-- generated: nonsense -->\n<!-- end -->"])
def test_a_missing_or_unknown_region_is_an_error(text: str) -> None:
    """A marker lost in an edit would leave a table to go stale unseen."""
    with pytest.raises(LookupError, match="settings"):
        generate(text)
