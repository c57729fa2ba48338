import aiohttp
import msgspec
import pytest

from exporter.simulator import Scenario
from tests.support.simulator import (
    ADA,
    BOB,
    Talk,
    still_account,
    still_scenario,
    talk_to_simulator,
)


class _Source(msgspec.Struct):
    pointer: str


class _Problem(msgspec.Struct):
    code: int
    message: str
    source: _Source | None = None


class _Refusal(msgspec.Struct):
    """The envelope of an error, as strict as the documentation."""

    success: bool
    errors: list[_Problem]
    messages: list[_Problem]
    result: None


def _codes_of(content: object) -> list[int]:
    refusal = msgspec.convert(content, _Refusal)
    assert not refusal.success
    return [problem.code for problem in refusal.errors]


def _pointers_of(content: object) -> list[str]:
    refusal = msgspec.convert(content, _Refusal)
    return sorted(problem.source.pointer for problem in refusal.errors if problem.source)


@pytest.mark.parametrize("status", [401, 403])
async def test_an_unknown_token_is_refused(status: int) -> None:
    """Cloudflare uses either status with this code."""
    async with talk_to_simulator(still_scenario(unknown_token_status=status)) as talk:
        answered, content = await talk.ask("GET", "/summary", token="nobody")

    assert (answered, _codes_of(content)) == (status, [9109])


async def test_no_token_is_refused(talk: Talk) -> None:
    """A request without credentials has an error code of its own."""
    async with talk.session.get(talk.account_url + "/summary") as answer:
        content = await answer.json()

    assert (answer.status, _codes_of(content)) == (400, [9106])


async def test_credentials_that_are_no_bearer_token_are_refused(talk: Talk) -> None:
    """This API does not support basic authentication."""
    auth = aiohttp.encode_basic_auth("ada@example.com", "key")
    async with talk.session.get(
        talk.account_url + "/summary", headers={"Authorization": auth}
    ) as answer:
        content = await answer.json()

    assert (answer.status, _codes_of(content)) == (400, [6003, 6111])


async def test_a_path_without_a_route_is_refused(talk: Talk) -> None:
    """A typing error in an account id must not look like a missing permission."""
    async with talk.session.get(
        f"{talk.simulator.api_url}/accounts/acme/zt_risk_scoring/summary", headers=talk.auth
    ) as answer:
        content = await answer.json()

    assert (answer.status, _codes_of(content)) == (404, [7003, 7000])


async def test_a_method_that_a_path_does_not_have_is_refused(talk: Talk) -> None:
    """The path exists, so the error differs from that of a wrong path."""
    status, content = await talk.ask("DELETE", "/summary")

    assert (status, _codes_of(content)) == (405, [7001])


async def test_a_token_has_access_only_to_its_accounts() -> None:
    """Another account looks like one without permissions."""
    scenario = Scenario.model_validate(
        {
            "accounts": [still_account(), still_account(name="globex")],
            "tokens": [{"name": "globex", "accounts": ["globex"]}],
        }
    )
    async with talk_to_simulator(scenario) as talk:
        status, content = await talk.get("/summary")

    assert (status, _codes_of(content)) == (403, [10000])


async def test_an_account_without_the_plan_is_refused() -> None:
    """Risk scoring needs an entitled plan, whatever the permissions of the token."""
    scenario = still_scenario(accounts=[still_account(entitled=False)])
    async with talk_to_simulator(scenario) as talk:
        status, content = await talk.get("/behaviors")

    assert (status, _codes_of(content)) == (403, [10000])


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("Zero Trust: PII Read", {"summary", "user"}),
        ("Zero Trust Read", {"behaviors", "integrations"}),
        ("Zero Trust Write", {"behaviors", "integrations", "reset", "update"}),
    ],
)
async def test_each_permission_allows_its_own_operations(
    permission: str, allowed: set[str]
) -> None:
    """Any one of an operation's permissions is sufficient, and no other is."""
    scenario = still_scenario(tokens=[{"name": "one", "permissions": [permission]}])
    requests: dict[str, tuple[str, str, object]] = {
        "summary": ("GET", "/summary", None),
        "user": ("GET", f"/{ADA}", None),
        "reset": ("POST", f"/{ADA}/reset", None),
        "behaviors": ("GET", "/behaviors", None),
        "update": ("PUT", "/behaviors", {"behaviors": {}}),
        "integrations": ("GET", "/integrations", None),
    }
    async with talk_to_simulator(scenario) as talk:
        statuses = {
            name: (await talk.ask(method, path, body))[0]
            for name, (method, path, body) in requests.items()
        }

    assert statuses == {name: 200 if name in allowed else 403 for name in requests}


async def test_every_mistake_in_a_new_integration_is_pointed_at(strict_talk: Talk) -> None:
    """A user with two mistakes can correct both at once."""
    status, content = await strict_talk.ask(
        "POST", "/integrations", {"integration_type": "Entra", "tenant_url": "http://plain"}
    )

    assert status == 400
    assert _pointers_of(content) == ["/integration_type", "/tenant_url"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/active", "/tenant_url"]),
        ([], [""]),
        ({"active": "yes", "tenant_url": ""}, ["/active", "/tenant_url"]),
        ({"active": True, "tenant_url": "https://[broken"}, ["/tenant_url"]),
        ({"active": True, "tenant_url": "https://a.example?x=1"}, ["/tenant_url"]),
        ({"active": True, "tenant_url": "https://a.example", "reference_id": 1}, ["/reference_id"]),
    ],
)
async def test_every_mistake_in_a_changed_integration_is_pointed_at(
    strict_talk: Talk, body: object, pointers: list[str]
) -> None:
    """Each field has its own rule."""
    account = strict_talk.simulator.world.find_account("acme")
    assert account is not None
    (integration,) = account.integrations

    status, content = await strict_talk.ask("PUT", f"/integrations/{integration.id}", body)

    assert (status, _pointers_of(content)) == (400, pointers)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"behaviors": []}, ["/behaviors"]),
        ({"behaviors": {"high_dlp": True}}, ["/behaviors/high_dlp"]),
    ],
)
async def test_a_configuration_is_objects_in_an_object(
    talk: Talk, body: object, pointers: list[str]
) -> None:
    """The pointer of anything else has the full depth."""
    status, content = await talk.ask("PUT", "/behaviors", body)

    assert (status, _pointers_of(content)) == (400, pointers)


async def test_a_reference_id_is_taken_once(talk: Talk) -> None:
    """A client finds the integration by it."""
    body = {
        "integration_type": "Okta",
        "tenant_url": "https://tenant.example.com",
        "reference_id": "mine",
    }
    assert (await talk.ask("POST", "/integrations", body))[0] == 200

    status, content = await talk.ask("POST", "/integrations", body)

    assert (status, _pointers_of(content)) == (400, ["/reference_id"])


async def test_every_mistake_in_a_configuration_is_pointed_at_and_nothing_is_set(
    talk: Talk,
) -> None:
    """A configuration is applied completely or not at all."""
    body = {
        "behaviors": {
            "imp_travel": {"enabled": False, "risk_level": "low"},
            "high_dlp": {"enabled": "no", "risk_level": "critical"},
            "made_up": {"enabled": True, "risk_level": "low"},
        }
    }

    status, content = await talk.ask("PUT", "/behaviors", body)

    assert status == 400
    assert _pointers_of(content) == [
        "/behaviors/high_dlp/enabled",
        "/behaviors/high_dlp/risk_level",
        "/behaviors/made_up",
    ]
    behaviors = talk.simulator.world.find_account("acme")
    assert behaviors is not None
    assert behaviors.behaviors["imp_travel"].enabled


async def test_a_body_that_is_not_json_is_refused(talk: Talk) -> None:
    """The error is about the request, not about a field."""
    async with talk.session.put(
        talk.account_url + "/behaviors", headers=talk.auth, data=b"{"
    ) as answer:
        content = await answer.json()

    assert (answer.status, _codes_of(content)) == (400, [6007])


async def test_a_user_id_that_is_no_uuid_is_pointed_at(talk: Talk) -> None:
    """A malformed id is a mistake, not an unknown user."""
    status, content = await talk.get("/ada@example.com")

    assert (status, _pointers_of(content)) == (400, ["/user_id"])


async def test_a_vanished_user_is_a_404_and_back_again_with_their_events(talk: Talk) -> None:
    """No operation finds a deleted user; a restored user has the same events."""
    await talk.order("vanish", user=ADA)
    assert (await talk.get(f"/{ADA}"))[0] == 404
    assert (await talk.ask("POST", f"/{ADA}/reset"))[0] == 404
    assert (await talk.truth()).users_by_level["high"] == 0

    await talk.order("return", user="ada@example.com")

    assert (await talk.get(f"/{ADA}"))[0] == 200
    assert (await talk.truth()).user(ADA).event_count == 2


async def test_a_user_without_events_exists_without_a_level(talk: Talk) -> None:
    """Bob is a user of the account without events."""
    status, content = await talk.get(f"/{BOB}")

    assert status == 200
    assert msgspec.convert(content, dict[str, object])["result"] == {
        "email": "bob@example.com",
        "name": "Bob",
        "events": [],
        "last_reset_time": None,
    }
