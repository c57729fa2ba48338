from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.chart import draw, panel
from bench.report import (
    GOAL_USERS,
    AtMost,
    Row,
    TimesBaseline,
    TimesLess,
    markdown_table,
    write_region,
)

_SVG = "{http://www.w3.org/2000/svg}"


def _cells(row: Row) -> list[str]:
    return [cell.strip() for cell in markdown_table([row]).splitlines()[-1].strip("|").split("|")]


def test_a_limit_is_judged_by_the_median_unless_it_must_always_hold() -> None:
    """One bad run of many is noise in a mean cost, and a failure in a worst case."""
    assert AtMost(20, "ms").is_met((1.0, 2.0, 30.0), None)
    assert not AtMost(20, "ms", always=True).is_met((1.0, 2.0, 30.0), None)


def test_a_goal_that_speaks_of_a_baseline_is_not_met_without_one() -> None:
    """A baseline that could not be measured must not turn into a success."""
    assert not TimesBaseline(2).is_met((1.0,), None)
    assert not TimesLess(500).is_met((1.0,), None)


@pytest.mark.parametrize(
    ("value", "verdict"), [(10.0, "yes"), (10.1, "**no**")], ids=["at the limit", "beyond"]
)
def test_a_goal_is_judged_for_the_number_of_users_it_was_set_for(
    value: float, verdict: str
) -> None:
    """Fewer users reach every limit, which says nothing."""
    few, many = (
        Row("poll", users, (value,), "ms", AtMost(10, "ms")) for users in (1_000, GOAL_USERS)
    )

    assert (_cells(few)[2], _cells(few)[-1]) == ("", "")
    assert (_cells(many)[2], _cells(many)[-1]) == ("<= 10 ms", verdict)


def test_a_ratio_says_in_words_which_of_the_two_is_less() -> None:
    """A bare number would be read either way."""
    less = Row("scrape", 1_000, (2.0,), "ms", baseline=1_000.0, against="prometheus-client")
    more = Row("scrape", 1_000, (2.0,), "ms", baseline=1.0, against="nginx")

    assert _cells(less)[-2] == "500 x less"
    assert _cells(more)[-2] == "2 x more"


def test_a_region_is_replaced_and_everything_around_it_stays(tmp_path: Path) -> None:
    """What people wrote, and what other runs have measured, is not this run's to change."""
    document = tmp_path / "benchmarks.md"
    document.write_text(
        "# Mine\n<!-- measured: a -->\nold a\n<!-- end -->\nprose\n"
        "<!-- measured: b -->\nold b\n<!-- end -->\n",
        encoding="utf-8",
    )

    write_region("a", "new a", document=document)

    text = document.read_text(encoding="utf-8")
    assert "old a" not in text
    assert "\nnew a\n" in text
    assert text.startswith("# Mine\n")
    assert text.endswith("prose\n<!-- measured: b -->\nold b\n<!-- end -->\n")


def test_a_region_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """An hour of measuring must not end in nothing being written, unnoticed."""
    document = tmp_path / "benchmarks.md"
    document.write_text("nothing\n", encoding="utf-8")

    with pytest.raises(LookupError, match="no region 'a'"):
        write_region("a", "new", document=document)


def test_every_contender_of_every_size_is_a_point_of_the_chart() -> None:
    """Rows of one subject and size differ by their baseline only, and stand on one line."""
    rows = [
        Row("scrape", users, (3.0,), "ms", baseline=baseline, against=against)
        for users in (1_000, 10_000)
        for baseline, against in ((1.0, "nginx"), (900.0, "json and prometheus-client"))
    ]

    drawn = draw([panel("A & B", "scrape", rows), panel("None", "poll", rows)])
    chart = ET.fromstring(drawn)  # noqa: S314  # our own

    titles = [title.text for title in chart.iter(f"{_SVG}title")]
    assert titles == ["nginx: 1 ms", "prometheus-client: 900 ms", "exporter: 3 ms"] * 2
    assert "A & B" in [text.text for text in chart.iter(f"{_SVG}text")]
    assert "None" not in [text.text for text in chart.iter(f"{_SVG}text")]
