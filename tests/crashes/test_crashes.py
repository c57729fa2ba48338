"""Counters that can be trusted: the real command, killed with SIGKILL again and again."""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from exporter.simulator import Scenario
from tests.support.crashing import (
    FragileExporter,
    by_behavior_and_level,
    crash_again_and_again,
    fragile_exporter,
)
from tests.support.processes import until
from tests.support.prometheus import Prometheus, run_prometheus, scrape_config
from tests.support.simulator import Talk, TrueEvent, talk_to_simulator

pytestmark = pytest.mark.slow

KILLS = 24

LIVELY = {
    "events_per_minute": 20,
    "late_share": 0.2,
    "bursts_per_hour": 60,
    "resets_per_hour": 60,
    "vanishings_per_hour": 30,
    "absence": 60,
}
"""In simulated time: some eight events a second at the speed below."""

COMMIT_SECONDS = 0.5
"""An answer is committed within this time, on a busy machine too."""

RESTART_SECONDS = 10.0
"""Within this time after a kill the next process has asked again."""

FAULTS = [
    {"kind": "error", "probability": 0.05},
    {"kind": "html", "probability": 0.05},
    {"kind": "truncate", "probability": 0.05},
    {"kind": "drop", "probability": 0.05},
    {"kind": "null_result", "probability": 0.03},
    {"kind": "latency", "probability": 0.2, "seconds": 0.2},
]
"""About a quarter of all answers are none."""


def scenario(*, faults: list[dict[str, object]]) -> Scenario:
    """Sixty people of an account where a lot happens."""
    return Scenario.model_validate(
        {
            "seed": 7,
            "speed": 20,
            "quota": {"requests": 1_000_000},
            "accounts": [{"name": "acme", "users": 60, "activity": LIVELY}],
            "faults": faults,
        }
    )


def environ(talk: Talk) -> dict[str, str]:
    """What a second terminal needs."""
    return {
        **os.environ,
        "CLOUDFLARE_API_TOKEN": next(iter(talk.simulator.tokens.values())),
        "CLOUDFLARE_ACCOUNT_ID": next(iter(talk.simulator.account_ids.values())),
        "RISK_EXPORTER_API_URL": talk.simulator.api_url,
    }


async def settle(exporter: FragileExporter, talk: Talk) -> None:
    """Let the world stand still and the exporter catch up with it."""
    await talk.order("pause")
    async with talk.session.delete(f"{talk.simulator.admin_url}/faults"):
        pass
    await exporter.start()
    polled_at = time.time()
    metric = "cloudflare_zt_risk_exporter_last_success_timestamp_seconds"

    async def summaries_and_backlog() -> tuple[float, float]:
        return (
            await exporter.gauge(metric),
            await exporter.gauge("cloudflare_zt_risk_exporter_pending_users", reason="changed"),
        )

    await until(
        summaries_and_backlog,
        lambda now: now[0] > 3 * (polled_at + 3.0) and now[1] == 0,
    )
    await exporter.watch(2.5)


def erased_unseen(event: TrueEvent, killed_at: list[float]) -> bool:
    """Whether nobody but the killed process can ever have known of an event.

    A kill came between its first answer and the commit, and it was erased before the next
    process could ask for it again.
    """
    if event.erased is None or event.first_shown is None:
        return False
    return any(
        event.first_shown <= kill <= event.first_shown + COMMIT_SECONDS
        and event.erased <= kill + RESTART_SECONDS
        for kill in killed_at
    )


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["good-api", "bad-api"])
async def test_every_event_is_counted_once_however_often_the_exporter_is_killed(
    faults: list[dict[str, object]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever restarts, crashes and partial failures happen, as long as the state is kept."""
    async with (
        talk_to_simulator(scenario(faults=faults)) as talk,
        fragile_exporter(environ(talk), folder=tmp_path) as exporter,
    ):
        await crash_again_and_again(exporter, kills=KILLS, chance=random.Random(1))
        await settle(exporter, talk)
        seen = await exporter.scrape()
        truth = await talk.truth()

    assert seen is not None
    assert truth.users is not None
    counted = Counter(by_behavior_and_level(seen))
    unknowable = Counter(
        (event.behavior, event.risk_level)
        for user in truth.users
        for event in user.events
        if event.counted and erased_unseen(event, exporter.killed_at)
    )
    expected = Counter({pair: count for pair, count in truth.counted().items() if count})
    with capsys.disabled():
        print(  # noqa: T201 (the summary is what this test is asked for)
            f"\n{KILLS} kills, {exporter.witness.scrapes} scrapes,"
            f" {expected.total()} events, {truth.resets_counted} resets,"
            f" {len(exporter.witness.falls)} falls,"
            f" difference {expected.total() - counted.total()}"
            f" (erased before they could be read again: at most {unknowable.total()})"
        )
    assert exporter.witness.falls == []
    assert exporter.witness.scrapes > KILLS
    assert expected.total() > 0
    assert counted <= expected
    assert expected - unknowable <= counted


async def test_prometheus_sees_no_reset_and_the_true_increase_over_crashes(
    tmp_path: Path,
) -> None:
    """A counter that falls, or jumps, is a false alert for somebody at night."""
    async with talk_to_simulator(scenario(faults=[])) as talk:
        await talk.order("pause")
        async with fragile_exporter(environ(talk), folder=tmp_path) as exporter:
            target = scrape_config(exporter.url, interval="250ms")
            async with run_prometheus(tmp_path / "prometheus", target) as prometheus:
                await exporter.start()
                await prometheus.until("sum(cloudflare_zt_risk_events_total) == 0")
                await talk.order("resume")
                await exporter.kill()
                await crash_again_and_again(exporter, kills=8, chance=random.Random(2))
                await settle(exporter, talk)
                truth = await talk.truth()
                await prometheus.until(
                    f"sum(cloudflare_zt_risk_events_total) == {sum(truth.counted().values())}"
                )
                increase = await exact_increase(prometheus)
                resets = await prometheus.query("resets(cloudflare_zt_risk_events_total[1h]) > 0")

    assert resets == []
    assert increase == {pair: count for pair, count in truth.counted().items() if count}


async def exact_increase(prometheus: Prometheus) -> dict[tuple[str, str], int]:
    """`increase()` from the first sample to the last, where there is nothing to extrapolate."""
    name = "cloudflare_zt_risk_events_total"
    (first,) = await prometheus.query(f"min(min_over_time(timestamp({name})[1h:250ms]))")
    (last,) = await prometheus.query(f"max(timestamp({name}))")
    span = round((last.value - first.value) * 1000)
    found = await prometheus.query(f"increase({name}[{span}ms]) > 0", at=last.value)
    return {(one.labels["behavior"], one.labels["risk_level"]): round(one.value) for one in found}
