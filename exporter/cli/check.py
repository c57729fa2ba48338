"""The command `check`."""

import argparse
import os
from collections.abc import Sequence

from rich.text import Text

from exporter.app.checking import check
from exporter.app.file_checks import configuration_finding
from exporter.app.probe import Finding, Verdict
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.cli.output import Json, print_json
from exporter.cli.parser import CommandParser
from exporter.cli.running import run
from exporter.cli.tables import print_table
from exporter.clock import SystemClock
from exporter.logs import configure_logging
from exporter.settings import load_settings

_STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "bold red"}


def add_arguments(parser: CommandParser) -> None:
    """Add the arguments of `check`."""
    parser.description = (
        "Check the configuration, request each resource of each account once, and report the "
        "token's permissions, the quota needed and available, and the expected number of series. "
        "Changes nothing, and can run beside a running exporter. Fails if anything is wrong."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_setting_flags(parser, flag_options())
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    flags = given_flags(arguments)
    settings = load_settings(flags=flags, environ=os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    findings = (
        configuration_finding(flags, os.environ),
        *run(check(settings, clock=SystemClock())),
    )
    is_wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if arguments.json:
        print_json({"ok": not is_wrong, "findings": [_finding_json(one) for one in findings]})
    else:
        _print_findings(findings)
    return 1 if is_wrong else 0


def _print_findings(findings: Sequence[Finding]) -> None:
    print_table(
        ("check", "account", "result", "details"),
        (
            (
                finding.subject,
                finding.account or "",
                Text(finding.verdict, _STYLES[finding.verdict]),
                finding.message,
            )
            for finding in findings
        ),
    )


def _finding_json(finding: Finding) -> Json:
    return {
        "check": finding.subject,
        "account": finding.account,
        "verdict": finding.verdict,
        "message": finding.message,
        "values": finding.values,
    }
