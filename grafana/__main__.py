"""Write `grafana/dashboards/*.json`: `python -m grafana`.

With `--check` no file is written, and the exit status is 1 if a file differs from the code, is
missing, or belongs to no board.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from grafana.boards import BOARDS

FOLDER = Path(__file__).with_name("dashboards")


def generated() -> Mapping[str, str]:
    """Return file name -> text of every board."""
    return {board.file_name: board.to_json() for board in BOARDS}


def committed(folder: Path) -> Mapping[str, str]:
    """Return file name -> text of the files in the folder; empty if it does not exist."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}


def main(argv: Sequence[str] | None = None, *, folder: Path = FOLDER) -> int:
    """Write into `folder`, or check it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grafana", description="Write the dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    arguments = parser.parse_args(argv)
    before, after = committed(folder), generated()
    if before == after:
        return 0
    if arguments.check:
        sys.stderr.write("grafana/dashboards differs from the code: run `python -m grafana`\n")
        return 1
    _write(folder, before, after)
    return 0


def _write(folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in before.keys() - after.keys():
        (folder / name).unlink()
    for name, text in after.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
