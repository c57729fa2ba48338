"""The laws of `integrations`: who else is told of risk levels, shown and managed."""

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.support.commands import Ending, run_command
from tests.support.pointing import pointed_at
from tests.support.simulator import Talk, still_account, still_scenario, talk_to_simulator
from tests.support.terminal import run_at_terminal

pytestmark = pytest.mark.slow

ID = "11111111-0000-4000-8000-000000000001"
TENANT = "https://acme.okta.com"
HOSTILE = "[red]acme\n\x1b[2J"
SCENARIO = still_scenario(
    accounts=[
        still_account(
            named_users=[],
            integrations=[{"integration_id": ID, "tenant_url": TENANT, "reference_id": HOSTILE}],
        )
    ]
)


async def typed(talk: Talk, *words: str) -> Ending:
    """Run a command of `integrations` against the simulator."""
    return await run_command("integrations", *words, **pointed_at(talk.simulator))


async def known(talk: Talk) -> Sequence[Mapping[str, object]]:
    """Return the API's own list."""
    _, answer = await talk.get("/integrations")
    assert isinstance(answer, dict)
    rows: Sequence[Mapping[str, object]] = answer["result"]
    return rows


async def test_integrations_are_listed() -> None:
    """With nothing in a reference that a terminal would obey."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "list")
    assert ending.status == 0, ending.err
    (row,) = ending.out.splitlines()[2:]
    assert row.startswith(ID)
    assert r"[red]acme\n\x1b[2J" in row


async def test_programs_get_the_apis_own_words() -> None:
    """Each field by its name; instants may be spelt in another way."""
    async with talk_to_simulator(SCENARIO) as talk:
        listed = json.loads((await typed(talk, "list", "--json")).out)["integrations"]
        shown = json.loads((await typed(talk, "show", ID, "--json")).out)
        (theirs,) = await known(talk)
    assert listed == [shown]
    assert set(shown) == set(theirs)
    assert {**shown, "created_at": ""} == {**theirs, "created_at": ""}


async def test_an_integration_is_found_by_its_reference() -> None:
    """Whoever made it knows what they called it."""
    named = [{"integration_id": ID, "tenant_url": TENANT, "reference_id": "acme [eu] & more"}]
    account = still_account(named_users=[], integrations=named)
    async with talk_to_simulator(still_scenario(accounts=[account])) as talk:
        ending = await typed(talk, "find", "acme [eu] & more")
    assert ending.status == 0, ending.err
    assert ID in ending.out


@pytest.mark.parametrize("words", [("show", ID.replace("1", "2")), ("find", "nothing")])
async def test_an_unknown_integration_is_an_error(words: tuple[str, ...]) -> None:
    """A script must not take it for one without fields."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, *words)
    assert (ending.status, ending.out) == (1, "")
    assert "HTTP 404: " in ending.err
    assert "not found" in ending.err


async def test_an_integration_is_created() -> None:
    """What the API made of it is printed, its id above all."""
    async with talk_to_simulator(SCENARIO) as talk:
        flags = ("--type", "Okta", "--tenant-url", "https://new.okta.com", "--reference-id", "new")
        ending = await typed(talk, "create", *flags, "--yes", "--json")
        rows = await known(talk)
    assert ending.status == 0, ending.err
    document = json.loads(ending.out)
    assert document["id"] in {row["id"] for row in rows}
    assert (document["tenant_url"], document["reference_id"]) == ("https://new.okta.com", "new")


async def test_what_the_api_has_against_it_is_told() -> None:
    """Its rules about URLs are its own and change without us."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "create", "--type", "Okta", "--tenant-url", "okta", "--yes")
    assert ending.status == 1
    assert "HTTP 400: " in ending.err


async def test_an_update_keeps_what_is_not_said() -> None:
    """The API overwrites all fields at once."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "update", ID, "--inactive", "--yes")
        (row,) = await known(talk)
    assert ending.status == 0, ending.err
    assert row["active"] is False
    assert (row["tenant_url"], row["reference_id"]) == (TENANT, HOSTILE)


@pytest.mark.parametrize(("answer", "tenant"), [("y\n", "https://b.okta.com"), ("\n", TENANT)])
async def test_at_a_terminal_an_update_asks_first(answer: str, tenant: str) -> None:
    """It shows what was and what will be."""
    async with talk_to_simulator(SCENARIO) as talk:
        screen = await run_at_terminal(
            *("integrations", "update", ID, "--tenant-url", "https://b.okta.com"),
            typed=answer,
            **pointed_at(talk.simulator),
        )
        (row,) = await known(talk)
    assert f"tenant {TENANT} -> https://b.okta.com" in screen.shown
    assert row["tenant_url"] == tenant


async def test_an_update_of_nothing_is_wrong_usage() -> None:
    """The flags are named."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "update", ID, "--yes")
    assert ending.status == 2
    assert "--inactive" in ending.err


async def test_what_is_so_already_is_not_written_again() -> None:
    """Cloudflare's audit log should tell changes only."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "update", ID, "--active", "--yes")
        log = await talk.log()
    assert ending.status == 0
    assert log.count(operation="update_integration") == 0


async def test_an_integration_is_deleted() -> None:
    """A script has said yes."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, "delete", ID, "--yes", "--json")
        rows = await known(talk)
    assert json.loads(ending.out) == {"id": ID, "deleted": True}
    assert rows == []


async def test_at_a_terminal_a_deletion_shows_what_would_go() -> None:
    """An id says nothing to whoever has to answer."""
    async with talk_to_simulator(SCENARIO) as talk:
        environ = pointed_at(talk.simulator)
        words = ("integrations", "delete", ID)
        screen = await run_at_terminal(*words, typed="n\n", **environ)
        rows = await known(talk)
    assert TENANT in screen.shown
    assert screen.status == 1
    assert len(rows) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--type", "Okta", "--tenant-url", TENANT),
        ("update", ID, "--inactive"),
        ("delete", ID),
    ],
)
async def test_without_a_terminal_nothing_is_changed_unasked(words: tuple[str, ...]) -> None:
    """A pipeline cannot answer."""
    async with talk_to_simulator(SCENARIO) as talk:
        ending = await typed(talk, *words)
        log = await talk.log()
    assert ending.status == 2
    assert "--yes" in ending.err
    assert log.counts == []
