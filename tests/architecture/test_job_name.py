"""One name for the scrape job: the alert rules match it, so every example must use it."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.entry import build_parser
from tests.support.commands import running_command

ROOT = Path(__file__).parents[2]
JOB = "cloudflare-risk-exporter"

NAMED = re.compile(
    r"""\bjob_name:\s*["']?(?P<configured>[\w.-]+)
      | \bjob=~?\\?["']?(?P<matched>[a-z][\w.-]*)
      | \bjob\s`(?P<quoted>[\w.-]+)`
      | \bscrape\sjob\sto\sbe\snamed\s(?P<spoken>[\w.-]+)""",
    re.VERBOSE,
)

FILES = sorted(
    path
    for pattern in ("README.md", "docs/**/*.md", "deploy/**/*.md", "deploy/**/*.y*ml")
    for path in ROOT.glob(pattern)
)


def names_in(text: str) -> set[str]:
    """Return every job name in a text: of scrape configs, of label matchers and of prose."""
    return {name for match in NAMED.finditer(text) for name in match.groups() if name}


def help_texts(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the descriptions and the flags' help of a parser and of its subcommands."""
    yield from filter(None, (parser.description, parser.epilog))
    for action in parser._actions:
        yield action.help or ""
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from help_texts(command)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_names_the_job_as_the_alert_rules_do(path: Path) -> None:
    """Under another name CloudflareRiskExporterAbsent fires on a healthy target."""
    assert names_in(path.read_text(encoding="utf-8")) <= {JOB}


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "docs/backfill.md",
        "docs/deployment.md",
        "deploy/compose/prometheus.yml",
        "deploy/prometheus/prometheus.yml",
        "deploy/prometheus/rules/exporter.yml",
    ],
)
def test_the_files_to_copy_from_name_the_job(path: str) -> None:
    """The comparison above proves nothing about a file in which no name is found."""
    assert names_in((ROOT / path).read_text(encoding="utf-8")) == {JOB}


def test_the_help_names_the_job_as_the_alert_rules_do() -> None:
    """`backfill --label` must give past data the labels of the scrape job."""
    assert names_in("\n".join(help_texts(build_parser()))) == {JOB}


@pytest.mark.slow
async def test_the_demo_names_the_job_as_the_alert_rules_do() -> None:
    """Its output is the first place where the name is read."""
    async with running_command("demo", "--listen", "127.0.0.1:0", "--users", "5") as demo:
        await demo.read_until("# Ctrl-C")
    assert names_in("\n".join(demo.lines)) == {JOB}
