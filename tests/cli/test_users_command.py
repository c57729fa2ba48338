"""The laws of `users`: who is at risk, at a terminal and for programs."""

import json
import re
from pathlib import Path

import pytest

from exporter.simulator import Scenario
from tests.support.commands import run_command
from tests.support.pointing import pointed_at
from tests.support.simulator import ADA, BOB, still_account, still_scenario, talk_to_simulator
from tests.support.terminal import run_at_terminal
from tests.support.yaml_file import write_yaml

pytestmark = pytest.mark.slow

EVE = "eeeeeeee-0000-4000-8000-000000000005"
HOSTILE = "[bold red]Eve[/]\n\x1b[2J\x9b2J\u202e[link=http://example.com]"
SPELT = r"[bold red]Eve[/]\n\x1b[2J\x9b2J\u202e[link=http://example.com]"


def scenario_of(*users: dict[str, object]) -> Scenario:
    """Return a still scenario of these users."""
    levels = [{"key": "imp_travel", "level": "high"}, {"key": "high_dlp", "level": "low"}]
    return still_scenario(accounts=[still_account(named_users=users, behaviors=levels)])


def user(user_id: str, email: str, name: str, *behaviors: str) -> dict[str, object]:
    """Return a named user of a scenario, with an event of each behavior."""
    events = [{"behavior": behavior, "ago": "1h"} for behavior in behaviors]
    return {"user_id": user_id, "email": email, "name": name, "events": events}


def files_in(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return list(folder.iterdir())


THREE = scenario_of(
    user(BOB, "bob@example.com", "Bob", "high_dlp"),
    user(ADA, "ada@example.com", "Ada", "high_dlp", "imp_travel"),
    user(EVE, "eve@example.com", HOSTILE, "high_dlp"),
)


async def test_users_are_listed_the_worst_first() -> None:
    """Who looks at a terminal looks at the top."""
    async with talk_to_simulator(THREE) as talk:
        ending = await run_command("users", "list", **pointed_at(talk.simulator))
    assert ending.status == 0, ending.err
    header, _, first, *others = ending.out.splitlines()[:5]
    assert header.split() == ["id", "email", "name", "level", "events", "last", "event"]
    assert first.split()[:5] == [ADA, "ada@example.com", "Ada", "high", "2"]
    assert all("low" in line for line in others)


@pytest.mark.parametrize("level", ["high", "HIGH"])
async def test_users_of_one_level_can_be_listed(level: str) -> None:
    """Of a large account only the worst may be wanted."""
    async with talk_to_simulator(THREE) as talk:
        flags = ("--level", level, "--json")
        ending = await run_command("users", "list", *flags, **pointed_at(talk.simulator))
    assert [one["user_id"] for one in json.loads(ending.out)["users"]] == [ADA]


async def test_programs_get_the_apis_own_words() -> None:
    """What was written for Cloudflare's answer reads ours."""
    async with talk_to_simulator(THREE) as talk:
        ending = await run_command("users", "list", "--json", **pointed_at(talk.simulator))
        _, answer = await talk.get("/summary")
    assert isinstance(answer, dict)
    ours, theirs = json.loads(ending.out)["users"], answer["result"]["users"]
    assert [set(one) for one in ours] == [set(one) for one in theirs]
    assert {one["name"] for one in ours} == {one["name"] for one in theirs}


async def test_a_hostile_name_cannot_steer_the_terminal() -> None:
    """Names come from a directory that others write to: no escape, no markup, no second line."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        screen = await run_at_terminal("users", "list", COLUMNS="300", **environ)
        in_json = await run_at_terminal("users", "list", "--json", **environ)
    assert SPELT in screen.shown
    assert not [raw for raw in ("\x1b[2J", "\x9b", "\u202e") if raw in screen.shown]
    assert in_json.shown.isascii()


async def test_levels_are_coloured_on_a_terminal_only() -> None:
    """Escapes in a file, or in a pipe, are dirt."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        screen = await run_at_terminal("users", "list", **environ)
        piped = await run_command("users", "list", FORCE_COLOR="1", **environ)
    assert "\x1b[1;31mhigh" in screen.shown
    assert "\x1b" not in piped.out


@pytest.mark.parametrize("columns", ["80", "60", "40"])
@pytest.mark.parametrize("words", [("users", "list"), ("users", "show", ADA)])
async def test_an_id_is_in_one_piece_on_any_terminal(words: tuple[str, ...], columns: str) -> None:
    """It is there to be copied into the next command."""
    async with talk_to_simulator(THREE) as talk:
        details = await run_command("users", "show", ADA, "--json", **pointed_at(talk.simulator))
        screen = await run_at_terminal(*words, COLUMNS=columns, **pointed_at(talk.simulator))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.shown).split()
    assert ADA in shown
    assert "ada@example.com" in shown
    if "show" in words:
        assert {event["id"] for event in json.loads(details.out)["events"]} <= set(shown)


async def test_a_list_fits_a_terminal_of_80_columns() -> None:
    """Emails and names have a line of their own where they do not fit beside the id."""
    ada = scenario_of(user(ADA, "ada@example.com", "Ada", "high_dlp", "imp_travel"))
    async with talk_to_simulator(ada) as talk:
        screen = await run_at_terminal("users", "list", COLUMNS="80", **pointed_at(talk.simulator))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.shown).splitlines()
    assert max(map(len, lines)) <= 80
    (place,) = [place for place, line in enumerate(lines) if line.startswith(ADA)]
    assert lines[place].split()[1:3] == ["high", "2"]
    assert lines[place + 1] == "  ada@example.com  Ada"


async def test_nothing_is_cut_off_on_a_narrow_terminal() -> None:
    """An id with an ellipsis in it is of no use."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        screen = await run_at_terminal("users", "show", ADA, COLUMNS="30", **environ)
    assert "…" not in screen.shown
    assert ADA in "".join(re.sub(r"\x1b\[[0-9;]*m", "", screen.shown).split())


@pytest.mark.parametrize("named", [ADA, "ada@example.com", "ADA@Example.com"])
async def test_a_user_is_shown_by_id_or_by_email(named: str) -> None:
    """Alerts tell ids, people emails."""
    async with talk_to_simulator(THREE) as talk:
        ending = await run_command("users", "show", named, **pointed_at(talk.simulator))
    assert ending.status == 0, ending.err
    assert ADA in ending.out
    assert "DLP" in ending.out


async def test_a_users_events_are_in_the_json() -> None:
    """With the API's words, and the id that was asked about."""
    async with talk_to_simulator(THREE) as talk:
        ending = await run_command("users", "show", ADA, "--json", **pointed_at(talk.simulator))
    document = json.loads(ending.out)
    assert (document["user_id"], document["risk_level"]) == (ADA, "high")
    assert {event["risk_level"] for event in document["events"]} == {"high", "low"}


async def test_an_email_of_nobody_listed_is_told() -> None:
    """Users without a level are not in the summary, so their id is needed; nothing repeats it."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        ending = await run_command("users", "show", "mallory@example.com", **environ)
    assert ending.status == 1
    assert "use their id" in ending.err
    assert "mallory" not in ending.err


async def test_an_email_of_several_users_lists_their_ids() -> None:
    """To guess whose level to clear would be worse than to ask."""
    twins = scenario_of(
        user(ADA, "same@example.com", "Ada", "imp_travel"),
        user(BOB, "same@example.com", "Bob", "high_dlp"),
    )
    async with talk_to_simulator(twins) as talk:
        flags = ("users", "reset", "same@example.com", "--yes")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
        _, summary = await talk.get("/summary")
    assert ending.status == 1
    assert ADA in ending.err
    assert BOB in ending.err
    assert ADA in str(summary)


async def test_an_unknown_user_is_an_error() -> None:
    """A script must not take it for a user without events."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        ending = await run_command("users", "show", EVE.replace("5", "6"), **environ)
    assert ending.status == 1
    assert "not found" in ending.err
    assert ending.out == ""


async def test_a_reset_with_yes_clears_the_level() -> None:
    """A script has said so."""
    async with talk_to_simulator(THREE) as talk:
        flags = ("users", "reset", "ada@example.com", "--yes", "--json")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
        _, summary = await talk.get("/summary")
    assert ending.status == 0, ending.err
    assert json.loads(ending.out) == {"user_id": ADA, "reset": True}
    assert ADA not in str(summary)


async def test_without_a_terminal_nothing_is_changed_unasked() -> None:
    """A pipeline cannot answer; it is told the flag, before anything is asked of the API."""
    async with talk_to_simulator(THREE) as talk:
        ending = await run_command("users", "reset", ADA, **pointed_at(talk.simulator))
        log = await talk.log()
    assert ending.status == 2
    assert "--yes" in ending.err
    assert log.counts == []


@pytest.mark.parametrize(
    ("typed", "status", "is_listed"),
    [("y\n", 0, False), ("yes\n", 0, False), ("n\n", 1, True), ("\n", 1, True), ("\x04", 1, True)],
)
async def test_at_a_terminal_a_reset_asks_first(typed: str, status: int, is_listed: bool) -> None:  # noqa: FBT001 - a case
    """It shows whom and what; anything but yes leaves everything as it is."""
    async with talk_to_simulator(THREE) as talk:
        environ = pointed_at(talk.simulator)
        screen = await run_at_terminal("users", "reset", ADA, typed=typed, **environ)
        _, summary = await talk.get("/summary")
    assert screen.status == status, screen.shown
    assert "ada@example.com" in screen.shown
    assert "high -> none" in screen.shown
    assert (ADA in str(summary)) is is_listed


async def test_a_missing_permission_is_named() -> None:
    """Cloudflare only says: Authentication error."""
    tokens = [{"name": "reader", "permissions": ["Zero Trust: PII Read"]}]
    async with talk_to_simulator(still_scenario(tokens=tokens)) as talk:
        ending = await run_command("users", "reset", ADA, "--yes", **pointed_at(talk.simulator))
    assert ending.status == 1
    assert "'Zero Trust Write'" in ending.err


async def test_of_several_accounts_one_is_named(tmp_path: Path) -> None:
    """A reset in the wrong account cannot be taken back; the error tells the names."""
    accounts = [still_account(), still_account(name="globex", named_users=[])]
    async with talk_to_simulator(still_scenario(accounts=accounts)) as talk:
        path = write_yaml(
            tmp_path / "config.yaml",
            {
                "api_url": talk.simulator.api_url,
                "api_token": next(iter(talk.simulator.tokens.values())),
                "accounts": [
                    {"name": name, "account_id": account_id}
                    for name, account_id in talk.simulator.account_ids.items()
                ],
            },
        )
        flags = ("users", "list", "--json", "--config", str(path))
        unnamed = await run_command(*flags)
        wrong = await run_command(*flags, "--account", "initech")
        named = await run_command(*flags, "--account", "acme")
    assert (unnamed.status, wrong.status, named.status) == (2, 2, 0)
    assert "acme, globex" in unnamed.err
    assert "acme, globex" in wrong.err
    assert ADA in named.out


async def test_no_state_is_opened(tmp_path: Path) -> None:
    """A running exporter holds it."""
    async with talk_to_simulator(THREE) as talk:
        environ = {**pointed_at(talk.simulator), "HOME": str(tmp_path)}
        ending = await run_command("users", "list", **environ)
    assert ending.status == 0, ending.err
    assert files_in(tmp_path) == []
