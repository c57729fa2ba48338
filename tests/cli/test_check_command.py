"""The laws of `check`: everything an exporter needs is looked at, and nothing is changed."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.store.lock import hold_lock
from tests.support.commands import Ending, run_command
from tests.support.pointing import pointed_at
from tests.support.simulator import still_account, still_scenario, talk_to_simulator
from tests.support.yaml_file import write_yaml

pytestmark = pytest.mark.slow

SCENARIO = still_scenario(accounts=[still_account(users=40)])
MEMORY = {"RISK_EXPORTER_STATE": "memory:"}


def verdicts(ending: Ending) -> Mapping[str, str]:
    """Return each thing's verdict; of several accounts the last one's."""
    return {one["check"]: one["verdict"] for one in json.loads(ending.out)["findings"]}


def message(ending: Ending, subject: str) -> str:
    """Return what was said of one thing."""
    found = (one for one in json.loads(ending.out)["findings"] if one["check"] == subject)
    return str(next(found)["message"])


def values(ending: Ending, subject: str) -> Mapping[str, float]:
    """Return the numbers of one thing."""
    found = (one for one in json.loads(ending.out)["findings"] if one["check"] == subject)
    numbers: Mapping[str, float] = next(found)["values"]
    return numbers


def series_in(exposition: str) -> int:
    """Return how many series of the accounts an exposition has."""
    lines = exposition.splitlines()
    return sum(
        line.startswith("cloudflare_zt_risk_")
        and not line.startswith("cloudflare_zt_risk_exporter_")
        for line in lines
    )


async def test_where_all_is_well_a_table_says_so(tmp_path: Path) -> None:
    """One line for each thing, and status 0."""
    async with talk_to_simulator(SCENARIO) as talk:
        environ = {**pointed_at(talk.simulator), "HOME": str(tmp_path)}
        ending = await run_command("check", **environ)
    assert ending.status == 0, ending.out + ending.err
    subjects = [line.split()[0] for line in ending.out.splitlines()[2:]]
    assert subjects == [
        *("configuration", "token", "summary", "users", "behaviors", "integrations"),
        *("budget", "series", "state"),
    ]
    assert "CLOUDFLARE_ACCOUNT_ID" in ending.out


async def test_nothing_is_changed_and_no_token_is_shown(tmp_path: Path) -> None:
    """It may be run on any machine, at any time, and its output pasted anywhere."""
    async with talk_to_simulator(SCENARIO) as talk:
        given = pointed_at(talk.simulator)
        ending = await run_command("check", **given, HOME=str(tmp_path))
        log = await talk.log()
    assert {one.operation for one in log.counts} == {
        *("summary", "user", "behaviors", "integrations")
    }
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - an empty folder
    assert given["CLOUDFLARE_API_TOKEN"] not in ending.out + ending.err


async def test_a_missing_permission_is_named() -> None:
    """Cloudflare only says: Authentication error; a plan without risk scoring looks the same."""
    tokens = [{"name": "pii", "permissions": ["Zero Trust: PII Read"]}]
    scenario = still_scenario(accounts=[still_account()], tokens=tokens)
    async with talk_to_simulator(scenario) as talk:
        ending = await run_command("check", "--json", **pointed_at(talk.simulator), **MEMORY)
    assert ending.status == 1
    found = verdicts(ending)
    assert (found["summary"], found["users"]) == ("ok", "ok")
    assert (found["behaviors"], found["integrations"]) == ("wrong", "wrong")
    assert "Zero Trust Read" in message(ending, "behaviors")
    assert "plan" in message(ending, "behaviors")


async def test_a_wrong_token_is_told_from_a_missing_permission() -> None:
    """Another permission would not help it."""
    async with talk_to_simulator(SCENARIO) as talk:
        environ = {**pointed_at(talk.simulator), **MEMORY, "CLOUDFLARE_API_TOKEN": "wrong"}
        ending = await run_command("check", "--json", **environ)
    assert ending.status == 1
    assert "does not know this token" in message(ending, "summary")


async def test_a_token_file_that_cannot_be_read_spares_the_other_accounts(tmp_path: Path) -> None:
    """One broken account never stops another, here neither."""
    accounts = [still_account(), still_account(name="globex")]
    async with talk_to_simulator(still_scenario(accounts=accounts)) as talk:
        broken, good = talk.simulator.account_ids.values()
        token = next(iter(talk.simulator.tokens.values()))
        path = write_yaml(
            tmp_path / "config.yaml",
            {
                "api_url": talk.simulator.api_url,
                "accounts": [
                    {"name": "a", "account_id": broken, "api_token_file": str(tmp_path / "none")},
                    {"name": "b", "account_id": good, "api_token": token},
                ],
            },
        )
        ending = await run_command("check", "--json", "--config", str(path), **MEMORY)
    assert ending.status == 1
    found = {
        (one["check"], one["account"]): one["verdict"] for one in json.loads(ending.out)["findings"]
    }
    assert found["token", "a"] == "wrong"
    assert found["summary", "b"] == "ok"
    assert str(path) in message(ending, "configuration")


async def test_intervals_that_the_quota_cannot_pay_are_wrong() -> None:
    """A poll a second is 300 in a window of five minutes, and the configuration twice more."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("--json", "--poll-interval", "1s", "--api-share", "0.1")
        ending = await run_command("check", *flags, **pointed_at(talk.simulator), **MEMORY)
    assert ending.status == 1
    assert verdicts(ending)["budget"] == "wrong"
    numbers = values(ending, "budget")
    assert (numbers["polls"], numbers["available"], numbers["limit"]) == (302, 120, 1200)


async def test_the_quota_is_the_one_the_api_tells() -> None:
    """Its limit may not be the documented one."""
    scenario = still_scenario(accounts=[still_account()], quota={"requests": 100, "window": 60})
    async with talk_to_simulator(scenario) as talk:
        ending = await run_command("check", "--json", **pointed_at(talk.simulator), **MEMORY)
    numbers = values(ending, "budget")
    assert (numbers["limit"], numbers["window_seconds"], numbers["available"]) == (100, 60, 50)


async def test_accounts_of_one_token_share_its_budget(tmp_path: Path) -> None:
    """Cloudflare counts by token."""
    accounts = [still_account(), still_account(name="globex")]
    async with talk_to_simulator(still_scenario(accounts=accounts)) as talk:
        listed = [
            {"name": name, "account_id": one} for name, one in talk.simulator.account_ids.items()
        ]
        token = next(iter(talk.simulator.tokens.values()))
        path = write_yaml(
            tmp_path / "config.yaml",
            {"api_url": talk.simulator.api_url, "api_token": token, "accounts": listed},
        )
        ending = await run_command("check", "--json", "--config", str(path), **MEMORY)
    budgets = [one for one in json.loads(ending.out)["findings"] if one["check"] == "budget"]
    assert [one["account"] for one in budgets] == ["acme, globex"]
    assert budgets[0]["values"]["polls"] == 14


async def test_the_series_predicted_are_those_of_the_account() -> None:
    """Exactly so for the account's own; for users there is a bound."""
    async with talk_to_simulator(SCENARIO) as talk:
        environ = {**pointed_at(talk.simulator), **MEMORY}
        without = {**environ, "RISK_EXPORTER_USERS_MIN_LEVEL": "none"}
        predicted = values(await run_command("check", "--json", **environ), "series")
        bare = values(await run_command("check", "--json", **without), "series")
        of_account = series_in((await run_command("once", **without)).out)
        of_all = series_in((await run_command("once", **environ)).out)
    assert predicted["account_series"] == of_account
    assert (bare["account_series"], bare["user_series"]) == (of_account, 0)
    assert of_account < of_all <= of_account + predicted["user_series"]


async def test_a_state_in_use_is_left_alone(tmp_path: Path) -> None:
    """Whoever checks beside a running exporter learns that, and is not told of an error."""
    state = tmp_path / "state.db"
    async with talk_to_simulator(SCENARIO) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": f"sqlite:{state}"}
        with hold_lock(state):
            held = await run_command("check", "--json", **environ)
        free = await run_command("check", "--json", **environ)
    assert (held.status, verdicts(held)["state"]) == (0, "note")
    assert "in use" in message(held, "state")
    assert verdicts(free)["state"] == "ok"


async def test_a_state_that_cannot_be_kept_there_is_wrong(tmp_path: Path) -> None:
    """Before the first start, not at it."""
    file = write_yaml(tmp_path / "file", {})
    async with talk_to_simulator(SCENARIO) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": f"sqlite:{file}/state.db"}
        ending = await run_command("check", "--json", **environ)
    assert (ending.status, verdicts(ending)["state"]) == (1, "wrong")


@pytest.mark.parametrize(("content", "verdict"), [({}, "ok"), ({"tls": {}}, "wrong")])
async def test_the_web_configuration_is_read(
    content: dict[str, dict[str, str]], verdict: str, tmp_path: Path
) -> None:
    """A mistake in it would keep `serve` from starting."""
    path = write_yaml(tmp_path / "web.yaml", content)
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("--json", "--web-config-file", str(path))
        ending = await run_command("check", *flags, **pointed_at(talk.simulator), **MEMORY)
    assert verdicts(ending)["web config"] == verdict


async def test_a_wrong_configuration_is_wrong_usage() -> None:
    """As with every other command."""
    ending = await run_command("check", "--poll-interval", "soon")
    assert ending.status == 2
    assert "--poll-interval" in ending.err


@pytest.mark.parametrize(
    ("mode", "verdict", "said"),
    [
        (0o600, "ok", "readable in"),
        (0o640, "ok", "readable in"),
        (0o644, "note", "may be read by every user of this machine (mode 0644)"),
        (0o660, "note", "may be written by other users (mode 0660)"),
    ],
)
async def test_a_token_file_open_to_others_is_noted(
    mode: int, verdict: str, said: str, tmp_path: Path
) -> None:
    """Everybody who reads it reads the risk of all users."""
    path = tmp_path / "token"
    async with talk_to_simulator(still_scenario()) as talk:
        environ = dict(pointed_at(talk.simulator))
        path.write_text(environ.pop("CLOUDFLARE_API_TOKEN"))
        path.chmod(mode)
        environ |= {"CLOUDFLARE_API_TOKEN_FILE": str(path), "RISK_EXPORTER_STATE": "memory:"}
        checked = await run_command("check", "--json", **environ)
        polled = await run_command("once", "--log-format", "json", **environ)
    found = [one for one in json.loads(checked.out)["findings"] if one["check"] == "token"]
    assert [one["verdict"] for one in found] == [verdict]
    assert said in found[0]["message"]
    warnings = [
        one for one in map(json.loads, polled.err.splitlines()) if one["level"] == "warning"
    ]
    assert [one["event"] for one in warnings] == ["token_file.exposed"] * (verdict == "note")


async def test_a_state_that_is_no_state_file_is_wrong(tmp_path: Path) -> None:
    """Better known before an exporter starts, and without touching the file."""
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    async with talk_to_simulator(still_scenario()) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": f"sqlite:{path}"}
        ending = await run_command("check", **environ)
    assert ending.status == 1
    assert "not a state file of this exporter" in ending.out
    assert [one.name for one in path.parent.iterdir()] == ["notes.txt"]
    assert path.read_text() == "notes"
