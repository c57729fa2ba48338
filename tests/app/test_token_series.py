"""The quota is a fact of a token; `account_token_info` says which account uses which."""

from pathlib import Path

from exporter.cloudflare.client import fingerprint
from exporter.telemetry import Telemetry
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import Exporter, polling, polling_in, runtime_of, settings_of
from tests.support.simulator import still_account, still_scenario, talk_to_simulator

QUOTA = (
    "exporter_api_quota_limit",
    "exporter_api_quota_remaining",
    "exporter_api_quota_reset_timestamp_seconds",
)
OLD, NEW = "an-old-token-of-the-simulator", "a-new-token-of-the-simulator"


def quota_tokens(exporter: Exporter) -> set[frozenset[tuple[str, str]]]:
    """Return the labels of all series of the quota."""
    return {frozenset(one.labels.items()) for name in QUOTA for one in exporter.samples(name)}


def tokens(exporter: Exporter) -> dict[str, str]:
    """Return the token of each account."""
    infos = exporter.samples("exporter_account_token_info")
    assert {one.value for one in infos} <= {1.0}
    return {one.labels["account"]: one.labels["token"] for one in infos}


@in_fake_time
async def test_accounts_that_share_a_token_show_its_quota_once() -> None:
    """A sum over series of the quota is the quota."""
    clock = LoopClock()
    accounts = [still_account(name=name, named_users=[]) for name in ("acme", "globex")]
    async with (
        talk_to_simulator(still_scenario(accounts=accounts), clock=clock) as talk,
        polling(talk, clock) as exporter,
    ):
        await clock.sleep(90.0)

        token = fingerprint(next(iter(talk.simulator.tokens.values())))
        assert tokens(exporter) == {"acme": token, "globex": token}
        assert quota_tokens(exporter) == {frozenset({("token", token)})}
        assert exporter.total("exporter_api_quota_limit") == 1200


@in_fake_time
async def test_a_token_file_with_another_token_changes_the_fingerprint(tmp_path: Path) -> None:
    """Nothing stays of the old token, and nothing of either can be read."""
    clock = LoopClock()
    scenario = still_scenario(
        tokens=[{"name": "old", "token": OLD}, {"name": "new", "token": NEW}],
        accounts=[still_account(name="acme", named_users=[])],
    )
    file = tmp_path / "token"
    file.write_text(OLD)
    async with talk_to_simulator(scenario, clock=clock) as talk, runtime_of(clock) as runtime:
        account_id = talk.simulator.account_ids["acme"]
        account = {"name": "acme", "account_id": account_id, "api_token_file": str(file)}
        settings = settings_of(talk.simulator.api_url, [account])
        async with polling_in(runtime, settings) as exporter:
            await clock.sleep(1.0)
            assert tokens(exporter) == {"acme": fingerprint(OLD)}
            file.write_text(NEW)
            await clock.sleep(90.0)

            assert tokens(exporter) == {"acme": fingerprint(NEW)}
            assert quota_tokens(exporter) == {frozenset({("token", fingerprint(NEW))})}


def test_a_token_keeps_its_series_until_its_last_account_is_gone() -> None:
    """Another account that leaves, or changes its token, takes nothing with it."""
    telemetry = Telemetry()
    for account in ("acme", "globex", "initech"):
        telemetry.note_token(account, "0123456789ab")
    telemetry.api_quota_remaining.labels("0123456789ab").set(7)
    shown = b'api_quota_remaining{token="0123456789ab"} 7.0'

    telemetry.forget_account("acme")
    telemetry.note_token("globex", "ba9876543210")
    assert shown in telemetry.render(openmetrics=False)

    telemetry.forget_account("initech")
    text = telemetry.render(openmetrics=False)
    assert b'token="0123456789ab"' not in text
    assert b'account_token_info{account="globex",token="ba9876543210"} 1.0' in text
