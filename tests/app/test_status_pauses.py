"""What the status page says of requests that wait: a pause, pacing, or nothing."""

from exporter.app.status import status_page
from exporter.status import AccountStatus, BacklogStatus, PauseReason
from tests.support.answers import row, summary
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import Exporter, polling_in, runtime_of, settings_of
from tests.support.scripted_api import ACCOUNT_ID, body, scripted_api

ACCOUNT = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}


def status_of(exporter: Exporter) -> AccountStatus:
    """Return what the page says of the one account."""
    return status_page(exporter.pollers).accounts[0]


@in_fake_time
async def test_a_first_start_that_spreads_its_details_is_paced_and_not_paused() -> None:
    """Most of the quota is left: nobody has to wait for a share that is spent."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        api.answers["summary"] = body(summary([row(f"u{number}") for number in range(120)]))
        async with polling_in(runtime, settings_of(api.url, [ACCOUNT])) as exporter:
            await clock.sleep(2.0)
            status = status_of(exporter)
            assert 0 < status.backlog.never_read < 120
            assert status.is_paced
            assert status.pause is None

            await clock.sleep(300.0)
            status = status_of(exporter)
            assert status.backlog == BacklogStatus()
            assert not status.is_paced


@in_fake_time
async def test_a_share_that_is_spent_for_minutes_is_a_pause() -> None:
    """Twenty users at high risk and six requests for them in five minutes."""
    clock = LoopClock()
    async with scripted_api() as api, runtime_of(clock) as runtime:
        rows = [row(f"u{number}", max_risk_level="high") for number in range(20)]
        api.answers["summary"] = body(summary(rows))
        settings = settings_of(api.url, [ACCOUNT], api_share=0.01)
        async with polling_in(runtime, settings) as exporter:
            await clock.sleep(90.0)
            status = status_of(exporter)

            assert status.pause is not None
            assert status.pause.reason is PauseReason.BUDGET
            assert status.pause.until is not None
            assert status.pause.until > clock.time() + 60.0
            assert not status.is_paced
