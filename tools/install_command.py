"""Install this checkout's `cloudflare-risk-exporter` into the Python environment that runs this.

Needs no build backend and no network, so requirements.lock is all that `make demo` downloads. The
files are those of an editable installation, and `pip install -e .` overwrites them.
"""

import shlex
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "cloudflare-risk-exporter"
PATH_FILE = "_editable_impl_cloudflare_risk_exporter.pth"  # hatchling's name for it

# -P keeps a folder named exporter in the working folder from being imported instead.
SCRIPT = """#!/bin/sh
exec {python} -P -m exporter "$@"
"""


def main() -> int:
    """Write the import path and the command; return the exit status."""
    (Path(sysconfig.get_path("purelib")) / PATH_FILE).write_text(f"{ROOT}\n", encoding="utf-8")
    command = Path(sysconfig.get_path("scripts")) / COMMAND
    command.write_text(SCRIPT.format(python=shlex.quote(sys.executable)), encoding="utf-8")
    command.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main())
