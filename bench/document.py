"""docs/benchmarks.md: what was measured stands in regions, what people say of it around them."""

import os
import platform
import re
import time
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_REGION = re.compile(
    r"(?P<begin><!-- measured: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def write_region(name: str, text: str, *, document: Path = DOCUMENT) -> None:
    """Replace the region `name`, which begins with where and when it was measured.

    Raises LookupError where the document has no such region.
    """
    before = document.read_text(encoding="utf-8")
    if name not in {region["name"] for region in _REGION.finditer(before)}:
        raise LookupError(f"{document.name} has no region {name!r}")

    def fill(region: re.Match[str]) -> str:
        if region["name"] != name:
            return region[0]
        return f"{region['begin']}\n{machine_line()}\n\n{text}\n\n{region['end']}"

    document.write_text(_REGION.sub(fill, before), encoding="utf-8")


def machine_line() -> str:
    """The machine as far as it matters, without its name; how busy it was, and the day."""
    kernel = platform.release().split("-")[0]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} x {_processor()}, {memory_gb:.0f} GB, "
        f"{platform.system()} {kernel}, Python {platform.python_version()}; "
        f"load at the end {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()
