"""The import contracts bite: each is shown an offence in a copy of the package."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ("catalogue", "cloudflare/wire", "risk")

OFFENCES = [
    ("floors", "catalogue/offence.py", "import exporter.web"),
    ("floors", "web/offence.py", "import exporter.polling"),
    ("floors", "errors.py", "import exporter.clock"),
    ("floors", "lobby.py", '"""A module that chose no floor."""'),
    ("floors", "lobby/__init__.py", '"""A package that chose no floor."""'),
    ("cloudflare", "cloudflare/wire/offence.py", "import exporter.cloudflare.client"),
    ("cloudflare", "cloudflare/lobby.py", '"""A module that chose no floor."""'),
    ("risk", "risk/model.py", "import exporter.risk.ledger"),
    ("risk", "risk/lobby.py", '"""A module that chose no floor."""'),
    ("cli", "cli/serve.py", "import exporter.cli.demo"),
    ("cli", "cli/lobby.py", '"""A module that chose no floor."""'),
    ("corridors", "risk/__init__.py", "import exporter.errors"),
    ("corridors", "cloudflare/__init__.py", "import exporter.errors"),
    ("pure", "risk/ledger/offence.py", "import random"),
    ("pure", "cloudflare/wire/offence.py", "from asyncio import sleep"),
    ("pure", "catalogue/offence.py", "from exporter.clock import Clock"),
    ("simulator", "simulator/offence.py", "import exporter.cloudflare.wire"),
    ("simulator", "simulator/offence.py", "from exporter.risk.model import RiskLevel"),
    ("simulated-layers", "simulator/world/offence.py", "import exporter.simulator.api"),
    ("simulated-layers", "simulator/lobby.py", '"""A module that chose no floor."""'),
    ("boards", "../grafana/sections/offence.py", "import exporter.settings"),
    ("boards", "../grafana/offence.py", "from exporter.risk.ledger import advance"),
    ("simulated", "app.py", "import exporter.simulator"),
    ("database", "polling/offence.py", "import sqlite3"),
    ("network", "exposition/offence.py", "import aiohttp"),
]


def lint(root: Path, contract: str) -> subprocess.CompletedProcess[str]:
    """Check one contract on the copy of the package in `root`."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--contract", contract],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of the packages and of the contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("exporter", "grafana"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


@pytest.mark.parametrize("contract", sorted({contract for contract, _, _ in OFFENCES}))
def test_a_contract_holds_today(contract: str, copy: Path) -> None:
    """Without this, an offence would prove nothing: the contract might be broken anyway."""
    linting = lint(copy, contract)
    assert linting.returncode == 0, linting.stdout


@pytest.mark.parametrize(("contract", "module", "offence"), OFFENCES)
def test_a_contract_refuses_what_it_forbids(
    contract: str, module: str, offence: str, copy: Path
) -> None:
    """A contract that never fails might as well not exist."""
    path = copy / "exporter" / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\n{offence}\n")
    linting = lint(copy, contract)
    assert linting.returncode != 0
    assert "BROKEN" in linting.stdout


def test_every_contract_is_shown_an_offence() -> None:
    """A contract added without a proof would be trusted without a reason."""
    text = (ROOT / "pyproject.toml").read_text()
    declared = text.count("[[tool.importlinter.contracts]]")
    proven = {contract for contract, _, _ in OFFENCES}
    assert declared == len(proven)
    assert all(f'\nid = "{contract}"\n' in text for contract in proven)


def pure_modules() -> list[str]:
    """Return every module that must compute the same from the same values for ever."""
    rooms = (ROOT / "exporter" / room for room in PURE)
    return [str(path.relative_to(ROOT)) for room in rooms for path in sorted(room.rglob("*.py"))]


@pytest.mark.parametrize("path", pure_modules())
def test_a_pure_module_reads_no_clock_and_no_file(path: str) -> None:
    """What needs no import is not seen by the contracts: `open`, `datetime.now`, and the like."""
    forbidden = {"open", "print", "input", "now", "utcnow", "today", "urlopen", "__import__"}
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }
    assert not called & forbidden
