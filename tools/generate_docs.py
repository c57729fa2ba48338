"""Write the tables that README.md and docs/ take from the code: `python -m tools.generate_docs`.

Each table is between `<!-- generated: NAME -->` and `<!-- end -->`. With `--check` no file is
written, and the exit status is 1 if a file differs from the code.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exporter.catalogue import EXPORTER_METRICS, RISK_METRICS, metric_table
from exporter.settings import settings_table

ROOT = Path(__file__).parents[1]

COMMON_SETTINGS = (
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_API_TOKEN_FILE",
    "CLOUDFLARE_ACCOUNT_ID",
    "RISK_EXPORTER_LISTEN",
    "RISK_EXPORTER_WEB_CONFIG_FILE",
    "RISK_EXPORTER_STATE",
    "RISK_EXPORTER_POLL_INTERVAL",
    "RISK_EXPORTER_API_SHARE",
    "RISK_EXPORTER_USERS_LIMIT",
    "RISK_EXPORTER_IDENTITY",
)
"""The settings most installations use, for the README."""

COMMON_METRICS = (
    "cloudflare_zt_risk_up",
    "cloudflare_zt_risk_users",
    "cloudflare_zt_risk_events_total",
    "cloudflare_zt_risk_level_changes_total",
    "cloudflare_zt_risk_resets_total",
    "cloudflare_zt_risk_user_info",
    "cloudflare_zt_risk_user_level",
    "cloudflare_zt_risk_behavior_enabled",
    "cloudflare_zt_risk_exporter_last_success_timestamp_seconds",
    "cloudflare_zt_risk_exporter_api_quota_remaining",
)
"""The metrics that most queries use, for the README."""

Tables = Mapping[str, Callable[[], str]]


def _common_settings() -> str:
    """Return the table of settings with the rows of `COMMON_SETTINGS`."""
    header, rule, *rows = settings_table().splitlines()
    common = [row for row in rows if row.split("`")[1] in COMMON_SETTINGS]
    return "\n".join((header, rule, *common))


def _common_metrics() -> str:
    metrics = (*RISK_METRICS, *EXPORTER_METRICS)
    return metric_table([metric for metric in metrics if metric.name in COMMON_METRICS])


DOCUMENTS: Mapping[Path, Tables] = {
    ROOT / "README.md": {
        "common-settings": _common_settings,
        "common-metrics": _common_metrics,
    },
    ROOT / "docs" / "settings.md": {"settings": settings_table},
    ROOT / "docs" / "metrics.md": {
        "metrics": lambda: metric_table(RISK_METRICS),
        "exporter-metrics": lambda: metric_table(EXPORTER_METRICS),
    },
}
"""The generated tables of each document, by name."""

_REGION = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def generate(text: str, tables: Tables) -> str:
    """Return `text` with each generated region as the code has it.

    Raise LookupError if a region has an unknown name, or if a table has no region.
    """
    names = {match["name"] for match in _REGION.finditer(text)}
    if difference := names ^ set(tables):
        raise LookupError(f"regions and tables differ: {', '.join(sorted(difference))}")

    def filled(region: re.Match[str]) -> str:
        return f"{region['begin']}\n{tables[region['name']]().strip()}\n\n{region['end']}"

    return _REGION.sub(filled, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Generate, or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated tables of the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    arguments = parser.parse_args(argv)
    status = 0
    for path, tables in DOCUMENTS.items():
        before = path.read_text(encoding="utf-8")
        after = generate(before, tables)
        if before == after:
            continue
        if arguments.check:
            name = path.relative_to(ROOT)
            print(f"{name} differs from the code: run `make docs`", file=sys.stderr)
            status = 1
        else:
            path.write_text(after, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
