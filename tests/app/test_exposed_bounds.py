"""Bounds on series per user: what they leave out is told, and nothing else changes."""

import pytest

from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import Exporter, polling
from tests.support.simulator import still_account, still_scenario, talk_to_simulator

ADA, CAT, DAN, EVE = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in range(4))
TRIGGERED = {
    ADA: "imp_travel",  # high
    CAT: "sentinel_one",  # medium
    DAN: "high_dlp",  # low
    EVE: "high_dlp",
}
SCENARIO = still_scenario(
    accounts=[
        still_account(
            named_users=[
                {
                    "user_id": who,
                    "email": f"{who}@example.com",
                    "events": [{"behavior": behavior, "ago": f"{hours}h"}],
                }
                for hours, (who, behavior) in enumerate(TRIGGERED.items(), start=1)
            ]
        )
    ]
)


def users_by_level(exporter: Exporter) -> dict[str, float]:
    """How many users a scrape counts."""
    return {one.labels["risk_level"]: one.value for one in exporter.samples("users")}


def events_by_behavior(exporter: Exporter) -> dict[str, float]:
    """How many events a scrape counts, of behaviors that have any."""
    samples = exporter.samples("events_total")
    return {one.labels["behavior"]: one.value for one in samples if one.value}


@pytest.mark.parametrize(
    ("limit", "min_level", "shown", "withheld"),
    [
        (10_000, "low", {ADA, CAT, DAN, EVE}, (0, 0)),
        (3, "low", {ADA, CAT, DAN}, (1, 0)),
        (10_000, "medium", {ADA, CAT}, (0, 2)),
        (1, "medium", {ADA}, (1, 2)),
        (10_000, "none", set(), (0, 4)),
    ],
)
@in_fake_time
async def test_bounds_leave_out_series_of_users_say_so_and_change_no_aggregate(
    limit: int, min_level: str, shown: set[str], withheld: tuple[int, int]
) -> None:
    """Alerts rest on the aggregates; a bound that changed them would be an all-clear."""
    clock = LoopClock()
    async with (
        talk_to_simulator(SCENARIO, clock=clock) as talk,
        polling(talk, clock, users_limit=limit, users_min_level=min_level) as exporter,
    ):
        await clock.sleep(1.0)
        for who in (EVE, DAN, CAT, ADA):
            await talk.order("events", user=who, behavior=TRIGGERED[who])
        await clock.sleep(120.0)

        assert exporter.users().keys() == shown
        assert exporter.value("exporter_users_withheld", reason="limit") == withheld[0]
        assert exporter.value("exporter_users_withheld", reason="min_level") == withheld[1]
        assert users_by_level(exporter) == {"low": 2, "medium": 1, "high": 1, "unknown": 0}
        assert events_by_behavior(exporter) == {"imp_travel": 1, "sentinel_one": 1, "high_dlp": 2}
