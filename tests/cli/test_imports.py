"""Which modules a command imports: each one costs time at every start, and memory of a service."""

import subprocess
import sys

import pytest

HEAVY = frozenset(
    {"aiohttp", "asyncio", "pydantic", "rich", "sqlite3", "ssl", "structlog", "uvloop", "yaml"}
)
OWN = frozenset(
    {
        "exporter",
        "exporter.cli",
        "exporter.cli.entry",
        "exporter.cli.output",
        "exporter.cli.parser",
        "exporter.errors",
    }
)


def imported_by(*arguments: str) -> set[str]:
    """Return the names of all modules that the command line has imported when it ends."""
    code = (
        "import sys\n"
        "from exporter.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "finally:\n"
        "    print('MODULES', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("MODULES "))
    return set(line.split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["srve"], []])
def test_what_needs_no_command_imports_no_command(arguments: list[str]) -> None:
    """`serve` without arguments runs a command: it shows that the check can fail."""
    modules = imported_by(*arguments)
    own = {name for name in modules if name.partition(".")[0] == "exporter"}
    assert (own == OWN) is bool(arguments)
    assert HEAVY.isdisjoint(modules) is bool(arguments)


def test_serve_imports_no_code_of_other_commands() -> None:
    """A service would hold it in memory for as long as it runs."""
    modules = imported_by("serve", "--help")
    assert "exporter.app.serving" in modules
    assert not [
        name
        for name in modules
        if name.startswith(("exporter.simulator", "exporter.cli.tables", "exporter.cli.progress"))
    ]


@pytest.mark.parametrize("library", ["jinja2", "markupsafe", "pygments", "rich"])
def test_serve_imports_no_library_that_only_people_need(library: str) -> None:
    """Tables in a terminal and the status page use them; most services run without either."""
    assert library not in {name.partition(".")[0] for name in imported_by("serve", "--help")}
