"""Write the parts of README.md that the code knows better: `python -m tools.generate_docs`.

Each part stands between `<!-- generated: NAME -->` and `<!-- end -->`. With `--check` nothing is
written, and the exit status is 1 where the README is not what the code says.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exporter.catalogue import EXPORTER_METRICS, RISK_METRICS, metric_table
from exporter.settings import settings_table

README = Path(__file__).parents[1] / "README.md"

TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "metrics": lambda: metric_table(RISK_METRICS),
    "exporter-metrics": lambda: metric_table(EXPORTER_METRICS),
}

_REGION = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def generate(text: str) -> str:
    """Return `text` with every generated region as the code has it.

    Raises LookupError where a region's name is unknown, or where a table has no region.
    """
    names = {match["name"] for match in _REGION.finditer(text)}
    if difference := names ^ set(TABLES):
        raise LookupError(f"regions and tables differ: {', '.join(sorted(difference))}")
    return _REGION.sub(_filled, text)


def _filled(region: re.Match[str]) -> str:
    return f"{region['begin']}\n{TABLES[region['name']]().strip()}\n\n{region['end']}"


def main(argv: Sequence[str] | None = None) -> int:
    """Generate, or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated tables of README.md.")
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    arguments = parser.parse_args(argv)
    before = README.read_text(encoding="utf-8")
    after = generate(before)
    if before == after:
        return 0
    if arguments.check:
        print("README.md is not what the code says: run `make docs`", file=sys.stderr)
        return 1
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
