"""The laws of `behaviors`: what counts as risky, shown and configured."""

import json

import pytest

from tests.support.commands import run_command
from tests.support.pointing import pointed_at
from tests.support.simulator import Talk, still_account, still_scenario, talk_to_simulator
from tests.support.terminal import run_at_terminal

pytestmark = pytest.mark.slow

SCENARIO = still_scenario(
    accounts=[
        still_account(
            predefined_behaviors=False,
            named_users=[],
            behaviors=[
                {"key": "imp_travel", "name": "Impossible travel", "level": "high"},
                {"key": "high_dlp", "name": "[red]Many\n\x1b[2Jmatches", "level": "low"},
                {"key": "new_kind", "name": "New kind", "level": "severe"},
            ],
        )
    ]
)


async def configured(talk: Talk) -> dict[str, tuple[bool, str]]:
    """Return what the API says is enabled, and at which level."""
    _, answer = await talk.get("/behaviors")
    assert isinstance(answer, dict)
    behaviors = answer["result"]["behaviors"]
    return {key: (one["enabled"], one["risk_level"]) for key, one in behaviors.items()}


async def test_every_behavior_is_listed_by_its_key() -> None:
    """The key is what `behaviors set` and the metrics' labels take."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await run_command("behaviors", "list", **pointed_at(talk.simulator))
    assert ending.status == 0, ending.err
    assert [line.split()[0] for line in ending.out.splitlines()[2:]] == [
        "high_dlp",
        "imp_travel",
        "new_kind",
    ]
    assert r"[red]Many\n\x1b[2Jmatches" in ending.out
    assert "unknown" in ending.out


async def test_programs_get_the_apis_own_map() -> None:
    """What was written for Cloudflare's answer reads ours."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await run_command("behaviors", "list", "--json", **pointed_at(talk.simulator))
        _, answer = await talk.get("/behaviors")
    assert isinstance(answer, dict)
    ours, theirs = json.loads(ending.out)["behaviors"], answer["result"]["behaviors"]
    assert ours["imp_travel"] == theirs["imp_travel"]


async def test_what_is_not_said_stays_as_it_is() -> None:
    """The API wants both values; one that was not meant must not change with the other."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("behaviors", "set", "imp_travel", "--disabled", "--yes")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
        after = await configured(talk)
    assert ending.status == 0, ending.err
    assert after["imp_travel"] == (False, "high")
    assert after["high_dlp"] == (True, "low")


async def test_the_answer_for_programs_is_what_is_set_now() -> None:
    """In the words of the API's own answer."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("behaviors", "set", "imp_travel", "--level", "medium", "--yes", "--json")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
    assert json.loads(ending.out) == {
        "behaviors": {"imp_travel": {"enabled": True, "risk_level": "medium"}}
    }


@pytest.mark.parametrize(("typed", "level"), [("y\n", "low"), ("n\n", "high")])
async def test_at_a_terminal_a_change_asks_first(typed: str, level: str) -> None:
    """It shows what was and what will be, and nothing that stays."""
    async with talk_to_simulator(SCENARIO) as talk:
        screen = await run_at_terminal(
            *("behaviors", "set", "imp_travel", "--level", "low", "--enabled"),
            typed=typed,
            **pointed_at(talk.simulator),
        )
        after = await configured(talk)
    assert "level high -> low" in screen.shown
    assert "enabled yes" not in screen.shown
    assert after["imp_travel"] == (True, level)


async def test_what_is_so_already_is_not_set_again() -> None:
    """Cloudflare's audit log should tell changes only."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("behaviors", "set", "imp_travel", "--enabled", "--yes")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
        log = await talk.log()
    assert ending.status == 0
    assert "already" in ending.out
    assert log.count(operation="update_behaviors") == 0


async def test_a_level_without_a_word_has_to_be_replaced() -> None:
    """To send it back would need the word; to guess one would change it unasked."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("behaviors", "set", "new_kind", "--disabled", "--yes")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
        after = await configured(talk)
    assert ending.status == 2
    assert "--level" in ending.err
    assert after["new_kind"] == (True, "severe")


async def test_an_unknown_key_lists_those_there_are() -> None:
    """Keys are slugs that nobody knows by heart."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("behaviors", "set", "impossible", "--enabled", "--yes")
        ending = await run_command(*flags, **pointed_at(talk.simulator))
    assert ending.status == 1
    assert "imp_travel" in ending.err


@pytest.mark.parametrize("flags", [(), ("--enabled", "--disabled"), ("--level", "none")])
async def test_a_change_that_makes_no_sense_is_wrong_usage(flags: tuple[str, ...]) -> None:
    """Nothing to set, both at once, and a level that no behavior can have."""
    async with talk_to_simulator(SCENARIO) as talk:
        environ = pointed_at(talk.simulator)
        ending = await run_command("behaviors", "set", "imp_travel", "--yes", *flags, **environ)
    assert ending.status == 2
    assert "Traceback" not in ending.err
