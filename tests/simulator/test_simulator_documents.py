"""docs/simulator.md is complete, and its examples work."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from exporter.simulator import Scenario, run_simulator
from exporter.simulator.api.operations import Operation
from exporter.simulator.scenario import (
    AccountSpec,
    Activity,
    BehaviorSpec,
    EventSpec,
    Fault,
    FaultKind,
    IntegrationSpec,
    QuotaSpec,
    TokenSpec,
    UserSpec,
    load_scenario,
)
from exporter.simulator.scenario.values import ScenarioModel

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
TABLES: dict[str, type[ScenarioModel]] = {
    "The scenario": Scenario,
    "Quota": QuotaSpec,
    "Tokens": TokenSpec,
    "Accounts": AccountSpec,
    "Activity": Activity,
    "Faults": Fault,
}


def block(language: str, containing: str) -> str:
    """Return the only block of that language that contains the text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (found,) = (text for text in blocks if containing in text)
    return str(found)


def section(title: str) -> str:
    """Return the text under a heading of the third level."""
    return DOCUMENT.split(f"\n### {title}\n")[1].split("\n## ")[0].split("\n### ")[0]


def keys_of_table(title: str) -> list[str]:
    """Return the keys in the first column of a section's table."""
    rows = (line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `"))
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


def admin_requests() -> Iterator[tuple[str, str, str | None]]:
    """Yield method, path and body of each documented request."""
    for line in block("sh", "SIM=").splitlines():
        words = shlex.split(line, comments=True)
        if words[0] != "curl":
            continue
        (url,) = (word for word in words if word.startswith("$SIM"))
        body = words[words.index("-d") + 1] if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
        yield method, url.removeprefix("$SIM"), body


def is_documented(names: Iterable[str], text: str) -> bool:
    """Return whether the text has each of these names as code."""
    return all(f"`{name}`" in text for name in names)


def test_the_documented_scenario_can_be_loaded(tmp_path: Path) -> None:
    """Readers copy the example."""
    path = tmp_path / "scenario.yaml"
    path.write_text(block("yaml", "accounts:"), encoding="utf-8")

    scenario = load_scenario(path)

    assert [account.name for account in scenario.accounts] == ["acme", "globex"]


@pytest.mark.parametrize("title", TABLES)
def test_a_table_has_exactly_the_existing_keys(title: str) -> None:
    """The table has every key and no other."""
    assert sorted(keys_of_table(title)) == sorted(TABLES[title].model_fields)


@pytest.mark.parametrize("part", [UserSpec, EventSpec, BehaviorSpec, IntegrationSpec])
def test_the_keys_of_small_parts_are_documented(part: type[ScenarioModel]) -> None:
    """The text below the accounts has them."""
    assert is_documented(part.model_fields, section("Accounts"))


def test_every_kind_of_fault_and_every_operation_is_documented() -> None:
    """These names cannot be guessed."""
    assert is_documented((*FaultKind, *Operation), section("Faults"))


async def test_the_documented_admin_requests_work() -> None:
    """In the documented order, with the scenario of the document."""
    scenario = Scenario.model_validate(yaml.safe_load(block("yaml", "accounts:")))
    async with run_simulator(scenario) as simulator, aiohttp.ClientSession() as session:
        for method, path, body in admin_requests():
            url = simulator.admin_url + path
            async with session.request(method, url, data=body) as response:
                assert response.status == 200, (path, await response.text())
