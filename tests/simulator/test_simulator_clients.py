"""Requests as the official SDKs and the Terraform provider send them."""

import io
import re
from collections.abc import Mapping

import msgspec
import pytest
from cloudflare import AsyncCloudflare, PermissionDeniedError
from yarl import URL

from exporter.simulator import Scenario
from tests.support.simulator import ADA, Talk, still_account, still_scenario, talk_to_simulator

EMAIL = "user@example.com"
CF_RAY = re.compile(r"[0-9a-f]{16}-[A-Z]{3}")


def _scenario_with_key(**keys: object) -> Scenario:
    return still_scenario(
        tokens=[{"name": "owner", "token": "the-api-key", "email": EMAIL, **keys}]
    )


async def _summary(talk: Talk, headers: Mapping[str, str]) -> tuple[int, list[int]]:
    """GET the summary: status and error codes."""
    async with talk.session.get(talk.account_url + "/summary", headers=headers) as answer:
        content = await answer.json()
    return answer.status, [error["code"] for error in content["errors"]]


async def _change(
    talk: Talk, method: str, path: str, body: object
) -> tuple[int, dict[str, object] | None]:
    """Send a change with the first token: status and result."""
    status, content = await talk.ask(method, path, body)
    return status, msgspec.convert(content, dict[str, object])["result"]  # type: ignore[return-value]


def _integration_of(talk: Talk) -> str:
    account = talk.simulator.world.find_account("acme")
    assert account is not None
    return next(iter(account.integrations)).id


async def test_the_sdk_may_authenticate_with_email_and_key() -> None:
    """The API documents the pair for every operation, and the SDK's own tests use it."""
    async with (
        talk_to_simulator(_scenario_with_key()) as talk,
        AsyncCloudflare(
            api_email=EMAIL,
            api_key="the-api-key",
            base_url=talk.simulator.api_url,
            max_retries=0,
            _strict_response_validation=True,
        ) as sdk,
    ):
        account_id = talk.simulator.account_ids["acme"]
        risk_scoring = sdk.zero_trust.risk_scoring

        summary = await risk_scoring.summary.get(account_id=account_id)
        user = await risk_scoring.get(ADA, account_id=account_id)
        await risk_scoring.reset(ADA, account_id=account_id)
        await risk_scoring.behaviours.get(account_id=account_id)
        await risk_scoring.behaviours.update(
            account_id=account_id, behaviors={"high_dlp": {"enabled": True, "risk_level": "low"}}
        )
        listed = [one async for one in risk_scoring.integrations.list(account_id=account_id)]
        created = await risk_scoring.integrations.create(
            account_id=account_id,
            integration_type="Okta",
            tenant_url="https://tenant.example.com",
            reference_id="mine",
        )
        assert created is not None
        await risk_scoring.integrations.get(created.id, account_id=account_id)
        await risk_scoring.integrations.references.get("mine", account_id=account_id)
        await risk_scoring.integrations.update(
            created.id,
            account_id=account_id,
            active=False,
            tenant_url="https://tenant.example.com",
        )
        await risk_scoring.integrations.delete(created.id, account_id=account_id)
        log = await talk.log()

    assert summary is not None
    assert [row.user_id for row in summary.users] == [ADA]
    assert user is not None
    assert len(listed) == 1
    assert {(one.token, one.status) for one in log.requests} == {("owner", 200)}
    assert len({one.operation for one in log.requests}) == 11


async def test_a_key_has_the_permissions_of_its_token() -> None:
    """The pair authenticates in another way and grants nothing more."""
    scenario = _scenario_with_key(permissions=["Zero Trust Read"])
    async with (
        talk_to_simulator(scenario) as talk,
        AsyncCloudflare(
            api_email=EMAIL, api_key="the-api-key", base_url=talk.simulator.api_url, max_retries=0
        ) as sdk,
    ):
        account_id = talk.simulator.account_ids["acme"]
        await sdk.zero_trust.risk_scoring.behaviours.get(account_id=account_id)
        with pytest.raises(PermissionDeniedError):
            await sdk.zero_trust.risk_scoring.summary.get(account_id=account_id)


async def test_a_key_spends_the_quota_of_its_token() -> None:
    """Bearer and key requests of one token share one window."""
    async with talk_to_simulator(still_scenario(quota={"requests": 2})) as talk:
        key = {"X-Auth-Key": talk.simulator.tokens["full"], "X-Auth-Email": EMAIL}

        statuses = [(await _summary(talk, headers))[0] for headers in (key, talk.auth, key)]

    assert statuses == [200, 200, 429]


async def test_a_token_without_an_email_is_a_key_of_any_email(talk: Talk) -> None:
    """A client that only knows the pair works against any scenario."""
    headers = {"X-Auth-Key": talk.simulator.tokens["full"], "X-Auth-Email": "any@example.com"}

    assert await _summary(talk, headers) == (200, [])


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"X-Auth-Key": "the-api-key"}, (400, [9106])),
        ({"X-Auth-Email": EMAIL}, (400, [9106])),
        ({"X-Auth-Key": "", "X-Auth-Email": EMAIL}, (400, [9106])),
        ({"X-Auth-Key": "the-api-key", "X-Auth-Email": "nobody"}, (400, [6003, 6102])),
        ({"X-Auth-Key": "another-key", "X-Auth-Email": EMAIL}, (403, [9103])),
        ({"X-Auth-Key": "the-api-key", "X-Auth-Email": "b@example.com"}, (403, [9103])),
        ({"X-Auth-Key": "the-api-key", "X-Auth-Email": EMAIL.upper()}, (200, [])),
        ({"Authorization": "Bearer the-api-key"}, (401, [9109])),
    ],
)
async def test_only_the_whole_right_pair_is_accepted(
    headers: dict[str, str], refusal: tuple[int, list[int]]
) -> None:
    """Half a pair, a wrong pair and a key sent as a bearer token are each refused."""
    async with talk_to_simulator(_scenario_with_key()) as talk:
        assert await _summary(talk, headers) == refusal


async def test_a_refusal_names_the_missing_half_of_the_pair(talk: Talk) -> None:
    """A client that sends one header learns which one is missing."""
    messages = []
    for headers in ({"X-Auth-Key": "k"}, {"X-Auth-Email": EMAIL}):
        async with talk.session.get(talk.account_url + "/summary", headers=headers) as answer:
            messages.append((await answer.json())["errors"][0]["message"])

    assert messages == ["Missing X-Auth-Email header", "Missing X-Auth-Key header"]


async def test_levels_are_accepted_in_any_case(talk: Talk) -> None:
    """The Terraform provider sends them as they are written; the API answers them lower-case."""
    body = {"behaviors": {"imp_travel": {"enabled": True, "risk_level": "Medium"}}}

    answer = await _change(talk, "PUT", "/behaviors", body)

    behavior = {"enabled": True, "risk_level": "medium"}
    assert answer == (200, {"behaviors": {"imp_travel": behavior}})


async def test_an_integration_can_be_created_inactive_with_its_type_in_any_case(
    talk: Talk,
) -> None:
    """The Terraform provider sends `active` at creation."""
    body = {"integration_type": "OKTA", "tenant_url": "http://tenant.example.com", "active": False}

    status, result = await _change(talk, "POST", "/integrations", body)

    assert status == 200
    assert result is not None
    assert (result["integration_type"], result["active"]) == ("Okta", False)


async def test_an_update_without_active_leaves_it_as_it_was(talk: Talk) -> None:
    """The Terraform provider leaves `active` out where it is not configured."""
    path = f"/integrations/{_integration_of(talk)}"
    tenant = {"tenant_url": "https://tenant.example.com"}
    await _change(talk, "PUT", path, {**tenant, "active": False})

    status, result = await _change(talk, "PUT", path, tenant)

    assert status == 200
    assert result is not None
    assert result["active"] is False


async def test_strict_validation_follows_the_reference_to_the_letter() -> None:
    """Strict validation finds clients that rely on leniency."""
    async with talk_to_simulator(still_scenario(validation="strict")) as talk:
        path = f"/integrations/{_integration_of(talk)}"
        tenant_url = "https://tenant.example.com"
        level = {"behaviors": {"imp_travel": {"enabled": True, "risk_level": "Low"}}}
        okta = {"integration_type": "OKTA", "tenant_url": tenant_url}
        statuses = [
            (await talk.ask("PUT", "/behaviors", level))[0],
            (await talk.ask("POST", "/integrations", okta))[0],
            (await talk.ask("PUT", path, {"tenant_url": tenant_url}))[0],
            (await talk.ask("PUT", path, {"tenant_url": "http://a.example", "active": True}))[0],
        ]

    assert statuses == [400, 400, 400, 400]


async def test_strict_validation_ignores_active_at_creation(strict_talk: Talk) -> None:
    """The reference does not describe the field there, and unknown fields are ignored."""
    tenant_url = "https://tenant.example.com"
    body = {"integration_type": "Okta", "tenant_url": tenant_url, "active": False}

    status, result = await _change(strict_talk, "POST", "/integrations", body)

    assert status == 200
    assert result is not None
    assert result["active"] is True


async def test_ids_are_accepted_in_upper_case(talk: Talk) -> None:
    """Both are hexadecimal numbers."""
    account_id = talk.simulator.account_ids["acme"]
    url = f"{talk.simulator.api_url}/accounts/{account_id.upper()}/zt_risk_scoring"
    paths = ("/summary", f"/integrations/{_integration_of(talk).upper()}")

    statuses = []
    for path in paths:
        async with talk.session.get(url + path, headers=talk.auth) as answer:
            statuses.append(answer.status)

    assert statuses == [200, 200]
    assert {one.account for one in (await talk.log()).requests} == {account_id}


async def test_an_account_id_may_be_the_placeholder_of_a_test_suite() -> None:
    """The official SDKs' test suites send `account_id` in place of an id."""
    scenario = still_scenario(accounts=[still_account(account_id="account_id")])
    async with talk_to_simulator(scenario) as talk:
        assert (await talk.get("/summary"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/summary", 200),
        ("DELETE", "/summary", 405),
        ("GET", "/not-a-user", 400),
        ("GET", "/a/b/c", 404),
    ],
)
async def test_every_answer_carries_a_ray(talk: Talk, method: str, path: str, status: int) -> None:
    """Cloudflare's support asks for the CF-RAY of a request."""
    async with talk.session.request(method, talk.account_url + path, headers=talk.auth) as answer:
        assert answer.status == status
        assert CF_RAY.fullmatch(answer.headers["CF-RAY"])


async def test_a_refusal_without_credentials_carries_a_ray(talk: Talk) -> None:
    """The edge adds the header before the request is authenticated."""
    async with talk.session.get(talk.account_url + "/summary") as answer:
        assert CF_RAY.fullmatch(answer.headers["CF-RAY"])


async def test_each_answer_has_a_ray_of_its_own(talk: Talk) -> None:
    """It identifies one request."""
    rays = []
    for _ in range(20):
        async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
            rays.append(answer.headers["CF-RAY"])

    assert len(set(rays)) == 20


@pytest.mark.parametrize(
    "kind",
    ["latency", "throttle", "error", "html", "malformed", "null_result", "truncate", "stall"],
)
async def test_every_fault_that_answers_carries_a_ray(talk: Talk, kind: str) -> None:
    """Support asks for the CF-RAY of the edge's own errors most of all."""
    await talk.order("faults", kind=kind, seconds=0)
    async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
        assert CF_RAY.fullmatch(answer.headers["CF-RAY"])


async def test_a_body_that_is_too_large_is_refused_with_a_ray(talk: Talk) -> None:
    """The server's own errors are responses too."""
    url = URL(talk.account_url + "/behaviors")
    async with talk.session.put(
        url, headers=talk.auth, data=io.BytesIO(b" " * (17 * 1024 * 1024))
    ) as answer:
        assert answer.status == 413
        assert CF_RAY.fullmatch(answer.headers["CF-RAY"])
