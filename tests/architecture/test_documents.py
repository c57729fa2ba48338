"""What the documents say can be typed, opened and found."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.catalogue import EXPORTER_METRICS, RISK_METRICS, MetricType
from exporter.cli.entry import build_parser, with_command
from exporter.settings import OPTIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
COMMAND = "cloudflare-risk-exporter"

BLOCK = re.compile(r"^ *```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)")
FILE = re.compile(r"`((?:exporter|tests|grafana|deploy|docs)/[\w./-]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
VARIABLE = re.compile(r"\bRISK_EXPORTER_[A-Z][A-Z_]*\b")
METRIC = re.compile(r"(?<![:\w])cloudflare_zt_risk_[a-z_]*[a-z](?![:\w])")  # no recorded rule
REQUIREMENT = re.compile(r"^[\w-]+")

each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def typed_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of whatever a document has its reader type into a shell."""
    for block in BLOCK.finditer(text):
        if block["language"] == "sh":
            yield from filter(None, _commands(block["text"]))
    for quoted in re.findall(rf"`((?:make|{COMMAND}) [^`]+)`", text):
        yield _words(quoted)


def _commands(text: str) -> Iterator[list[str]]:
    """Split shell into commands; a line that ends in a backslash or within quotes goes on."""
    begun = ""
    for line in text.splitlines():
        begun += line.removesuffix("\\") + "\n"
        if not line.endswith("\\"):
            with suppress(ValueError):
                yield _words(begun)
                begun = ""
    assert not begun, f"a quotation is never closed: {begun}"


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def flags() -> set[str]:
    """Return every flag that some command takes."""
    (commands,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    parsers: Iterable[argparse.ArgumentParser] = commands.choices.values()
    return {flag for parser in parsers for flag in parser._option_string_actions}


def test_demo_and_test_are_the_first_two_commands() -> None:
    """A newcomer sees it work, then that it is sound, before anything is asked of them."""
    first, second, *_ = typed_commands(README)
    assert (first, second) == (["make", "demo"], ["make", "test"])


@each_document
def test_every_make_target_that_is_told_exists(path: Path) -> None:
    """A target renamed in the Makefile alone is a newcomer's first disappointment."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    commands = typed_commands(path.read_text(encoding="utf-8"))
    assert {words[1] for words in commands if words[0] == "make"} <= targets


@each_document
def test_every_command_of_ours_that_is_told_can_be_typed(path: Path) -> None:
    """Its command and its flags are parsed as they would be; argparse ends at a wrong one."""
    for words in typed_commands(path.read_text(encoding="utf-8")):
        if Path(words[0]).name == COMMAND:
            build_parser().parse_args(with_command(words[1:]))


def test_every_flag_the_readme_tells_exists() -> None:
    """Flags are also told in the prose, outside of a whole command."""
    assert set(FLAG.findall(BLOCK.sub("", README))) <= flags()


@each_document
def test_every_variable_that_is_told_exists(path: Path) -> None:
    """The exporter refuses variables it does not know."""
    known = {option.variable for option in OPTIONS}
    assert set(VARIABLE.findall(path.read_text(encoding="utf-8"))) <= known


@each_document
def test_every_metric_that_is_told_exists(path: Path) -> None:
    """A query for a metric that was renamed gives nothing, and no error."""
    metrics = (*RISK_METRICS, *EXPORTER_METRICS)
    histograms = (metric.name for metric in metrics if metric.type is MetricType.HISTOGRAM)
    parts = (name + part for name in histograms for part in ("_bucket", "_count", "_sum"))
    known = {*parts, *(metric.name for metric in metrics)}
    assert set(METRIC.findall(path.read_text(encoding="utf-8"))) <= known


@each_document
def test_every_file_that_is_linked_exists(path: Path) -> None:
    """Files move; links do not move with them."""
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_file_of_the_guides_exists() -> None:
    """The guides name the files to open; a renamed file must be renamed there, too."""
    guides = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    named = {path for guide in guides for path in FILE.findall(guide.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_decision_is_in_the_list() -> None:
    """A record nobody finds might as well not have been written."""
    folder = ROOT / "docs" / "decisions"
    records = {path.name for path in folder.glob("*.md")} - {"README.md"}
    assert records == set(LINK.findall((folder / "README.md").read_text(encoding="utf-8")))


def test_no_heading_or_dependency_is_twice_in_a_release_of_the_changelog() -> None:
    """Changes of two branches are merged line by line, which can repeat a whole section."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for release in changelog.split("\n## ")[1:]:
        headings = re.findall(r"^###+ .*|^- `[\w-]+`: ", release, re.MULTILINE)
        assert [heading for heading in set(headings) if headings.count(heading) > 1] == []


def test_every_dependency_is_argued_for_in_the_changelog() -> None:
    """Whoever installs the exporter trusts each of them; one line must say for what."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        name = REQUIREMENT.match(requirement)
        assert name is not None
        assert f"\n- `{name[0]}`: " in changelog
