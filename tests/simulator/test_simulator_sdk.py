"""Responses as Cloudflare's official SDK validates them, independently of this project."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cloudflare import AsyncCloudflare, NotFoundError, PermissionDeniedError
from cloudflare.types.zero_trust import RiskScoringGetResponse

from exporter.simulator import Scenario
from tests.support.simulator import ADA, BOB, Talk, talk_to_simulator

TENANT = "https://tenant.example.com"


@contextlib.asynccontextmanager
async def _sdk_of(talk: Talk, token: str | None = None) -> AsyncIterator[AsyncCloudflare]:
    async with AsyncCloudflare(
        api_token=token or talk.simulator.tokens["full"],
        base_url=talk.simulator.api_url,
        max_retries=0,
        _strict_response_validation=True,
    ) as sdk:
        yield sdk


@pytest_asyncio.fixture
async def sdk(talk: Talk) -> AsyncIterator[AsyncCloudflare]:
    """The SDK, with the simulator's first token."""
    async with _sdk_of(talk) as sdk:
        yield sdk


@pytest.fixture
def account_id(talk: Talk) -> str:
    """The id of the simulator's one account."""
    return talk.simulator.account_ids["acme"]


async def test_the_summary_reads_as_the_sdk_expects(sdk: AsyncCloudflare, account_id: str) -> None:
    """Operation 1: only users with a level are listed, with their highest level."""
    summary = await sdk.zero_trust.risk_scoring.summary.get(account_id=account_id)

    assert summary is not None
    (ada,) = summary.users
    assert (ada.user_id, ada.event_count, ada.max_risk_level) == (ADA, 2, "high")


async def test_details_read_as_the_sdk_expects(sdk: AsyncCloudflare, account_id: str) -> None:
    """Operation 2: the events of a user, each with its level and a timestamp."""
    ada = await sdk.zero_trust.risk_scoring.get(ADA, account_id=account_id)

    assert ada is not None
    assert [event.risk_level for event in ada.events] == ["high", "low"]
    assert ada.risk_level == "high"
    assert ada.last_reset_time is None


async def test_a_reset_clears_the_score(sdk: AsyncCloudflare, account_id: str) -> None:
    """Operation 3: a user whose score was cleared exists but is not listed."""
    await sdk.zero_trust.risk_scoring.reset(ADA, account_id=account_id)

    ada = await sdk.zero_trust.risk_scoring.get(ADA, account_id=account_id)
    summary = await sdk.zero_trust.risk_scoring.summary.get(account_id=account_id)
    assert isinstance(ada, RiskScoringGetResponse)
    assert ada.events == []
    assert ada.risk_level is None
    assert ada.last_reset_time is not None
    assert summary is not None
    assert summary.users == []


async def test_behaviors_read_as_the_sdk_expects(sdk: AsyncCloudflare, account_id: str) -> None:
    """Operation 4: behaviors are a map by key."""
    answer = await sdk.zero_trust.risk_scoring.behaviours.get(account_id=account_id)

    assert answer is not None
    assert answer.behaviors["imp_travel"].name == "Impossible Travel"
    assert answer.behaviors["imp_travel"].enabled


async def test_behaviors_can_be_configured(sdk: AsyncCloudflare, account_id: str) -> None:
    """Operation 5: the response has what was set; other behaviors are unchanged."""
    behaviours = sdk.zero_trust.risk_scoring.behaviours

    updated = await behaviours.update(
        account_id=account_id, behaviors={"imp_travel": {"enabled": False, "risk_level": "low"}}
    )

    assert updated is not None
    assert updated.behaviors["imp_travel"].risk_level == "low"
    after = await behaviours.get(account_id=account_id)
    assert after is not None
    assert not after.behaviors["imp_travel"].enabled
    assert after.behaviors["high_dlp"].enabled


async def test_an_integration_can_be_created_read_updated_and_deleted(
    sdk: AsyncCloudflare, account_id: str
) -> None:
    """Operations 6 to 11, in the order an administrator uses them."""
    integrations = sdk.zero_trust.risk_scoring.integrations

    created = await integrations.create(
        account_id=account_id, integration_type="Okta", tenant_url=TENANT, reference_id="okta-1"
    )
    assert created is not None
    assert created.reference_id == "okta-1"
    found = await integrations.references.get("okta-1", account_id=account_id)
    got = await integrations.get(created.id, account_id=account_id)
    assert found is not None
    assert got is not None
    assert created.model_dump() == found.model_dump() == got.model_dump()
    updated = await integrations.update(
        created.id, account_id=account_id, active=False, tenant_url=f"{TENANT}/eu"
    )
    assert updated is not None
    assert (updated.active, updated.tenant_url, updated.reference_id) == (
        False,
        f"{TENANT}/eu",
        "okta-1",
    )
    assert len([one async for one in integrations.list(account_id=account_id)]) == 2
    await integrations.delete(created.id, account_id=account_id)
    assert created.id not in [one.id async for one in integrations.list(account_id=account_id)]


async def test_an_unknown_id_is_a_404(sdk: AsyncCloudflare, account_id: str) -> None:
    """The SDK raises its own error for the status."""
    risk_scoring = sdk.zero_trust.risk_scoring
    nobody = BOB.replace("2", "9")

    with pytest.raises(NotFoundError):
        await risk_scoring.get(nobody, account_id=account_id)
    with pytest.raises(NotFoundError):
        await risk_scoring.integrations.get(nobody, account_id=account_id)
    with pytest.raises(NotFoundError):
        await risk_scoring.integrations.references.get("nothing", account_id=account_id)


async def test_a_token_without_the_permission_is_refused() -> None:
    """Permission to read configuration must not include the names of users."""
    scenario = Scenario.model_validate(
        {"tokens": [{"name": "config", "permissions": ["Zero Trust Read"]}]}
    )
    async with (
        talk_to_simulator(scenario) as talk,
        _sdk_of(talk, talk.simulator.tokens["config"]) as sdk,
    ):
        account_id = talk.simulator.account_ids["demo"]
        assert await sdk.zero_trust.risk_scoring.behaviours.get(account_id=account_id)
        with pytest.raises(PermissionDeniedError) as caught:
            await sdk.zero_trust.risk_scoring.summary.get(account_id=account_id)

    assert [error.code for error in caught.value.errors] == [10000]


async def test_a_large_active_account_passes_strict_validation() -> None:
    """A client can read every generated name, timestamp and id."""
    async with talk_to_simulator(Scenario(seed=7)) as talk, _sdk_of(talk) as sdk:
        account_id = talk.simulator.account_ids["demo"]
        summary = await sdk.zero_trust.risk_scoring.summary.get(account_id=account_id)
        assert summary is not None
        for row in summary.users:
            user = await sdk.zero_trust.risk_scoring.get(row.user_id, account_id=account_id)
            assert user is not None
            assert len(user.events) == row.event_count
            assert max(event.timestamp for event in user.events) == row.last_event
