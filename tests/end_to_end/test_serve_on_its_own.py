"""`serve` beside a `simulate`, as two people in two terminals have them."""

import shlex
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from select import select

import httpx
import pytest

from tests.support.commands import run_command
from tests.support.processes import until
from tests.support.prometheus import run_prometheus, scrape_config
from tests.support.road import ASSIGNMENTS, Exporter, first_answer, run_serve, run_simulation
from tests.support.yaml_file import write_yaml

pytestmark = pytest.mark.slow

FAST = {"RISK_EXPORTER_POLL_INTERVAL": "1s"}
LEVELS = "sum by (risk_level) (cloudflare_zt_risk_users)"


async def until_polled(exporter: Exporter) -> None:
    """Wait for the end of the first poll."""

    async def is_ready() -> bool:
        try:
            return (await exporter.get("/-/ready")).is_success
        except httpx.ConnectError:
            return False

    await until(is_ready, bool)


async def test_what_simulate_prints_is_all_a_second_terminal_needs(tmp_path: Path) -> None:
    """A token, an account id and a URL, pasted into a shell as they stand."""
    async with run_simulation() as (simulate, cloudflare):
        words = shlex.split("\n".join(simulate.lines), comments=True)
        assert [word.partition("=")[0] for word in words] == list(ASSIGNMENTS)
        pasted = dict(word.split("=", 1) for word in words)
        assert pasted == cloudflare.environ
        async with run_serve(cloudflare, tmp_path) as exporter:
            await until_polled(exporter)
            metrics = (await exporter.get("/metrics")).text
    account_id = pasted["CLOUDFLARE_ACCOUNT_ID"]
    assert f'cloudflare_zt_risk_up{{account="{account_id}"}} 1\n' in metrics


async def test_a_dead_api_sets_up_to_0_and_takes_nothing_back(tmp_path: Path) -> None:
    """No false all-clear: what was true last stays, and `up` tells that it is old."""
    async with (
        run_simulation() as (simulate, cloudflare),
        run_serve(cloudflare, tmp_path, **FAST) as exporter,
        run_prometheus(tmp_path, scrape_config(exporter.url)) as prometheus,
    ):
        await prometheus.until("cloudflare_zt_risk_up == 1")
        await cloudflare.order("pause")
        listed = Counter({"unknown": 0, **Counter((await cloudflare.summary()).values())})
        await prometheus.until(
            LEVELS,
            lambda samples: {one.labels["risk_level"]: one.value for one in samples} == listed,
        )
        await simulate.stop(signal.SIGKILL)
        await prometheus.until("cloudflare_zt_risk_up == 0")
        assert await prometheus.values(LEVELS, "risk_level") == listed
        people = await prometheus.value("count(cloudflare_zt_risk_user_level)")
        reasons = await prometheus.values(
            "cloudflare_zt_risk_exporter_poll_failures_total > 0", "reason"
        )
    assert people == listed.total()
    assert set(reasons) == {"network"}


async def test_metrics_answer_though_the_api_hangs(tmp_path: Path) -> None:
    """A scrape never waits for Cloudflare, not even the first one, and is never empty."""
    hanging = write_yaml(
        tmp_path / "hanging.yaml", {"faults": [{"kind": "stall", "seconds": "1h"}]}
    )
    async with (
        run_simulation("--scenario", str(hanging)) as (_, cloudflare),
        run_serve(cloudflare, tmp_path) as exporter,
    ):
        answer = await first_answer(exporter, "/metrics")
        ready = await exporter.get("/-/ready")
        healthy = await exporter.get("/-/healthy")
    account_id = cloudflare.environ["CLOUDFLARE_ACCOUNT_ID"]
    assert f'cloudflare_zt_risk_up{{account="{account_id}"}} 0\n' in answer.text
    assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert healthy.is_success


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_signal_ends_serve_in_order(
    how: signal.Signals, status: int, tmp_path: Path
) -> None:
    """SIGTERM is how supervisors stop a service; Ctrl-C stops a script around it, too."""
    async with (
        run_simulation() as (_, cloudflare),
        run_serve(cloudflare, tmp_path, **FAST) as exporter,
    ):
        await until_polled(exporter)
        ending = await exporter.command.stop(how)
    assert ending.status == status, ending.err
    assert "Traceback" not in ending.err


async def test_serve_ends_in_time_though_the_api_hangs(tmp_path: Path) -> None:
    """A request that will not end must not hold up a deployment."""
    hanging = write_yaml(
        tmp_path / "hanging.yaml", {"faults": [{"kind": "stall", "seconds": "1h"}]}
    )
    async with (
        run_simulation("--scenario", str(hanging)) as (_, cloudflare),
        run_serve(cloudflare, tmp_path) as exporter,
    ):
        await first_answer(exporter, "/metrics")
        ending = await exporter.command.stop()
    assert ending.status == 0, ending.err


async def test_serve_ends_in_time_though_readers_and_polls_are_stuck(tmp_path: Path) -> None:
    """Supervisors kill after ten seconds; the exporter's own deadline would end it with 1."""
    async with (
        run_simulation("--users", "60000") as (_, cloudflare),
        run_serve(cloudflare, tmp_path, **FAST) as exporter,
        AsyncExitStack() as stack,
    ):
        await until_polled(exporter)
        await cloudflare.order("faults", kind="stall", seconds=3600, operation="summary", count=1)
        await until(cloudflare.faults, lambda count: count == 0)
        readers = [stack.enter_context(slow_reader(exporter)) for _ in range(12)]
        await until(lambda: in_progress(readers), bool)
        ending = await exporter.command.stop()
    assert ending.status == 0, ending.err
    assert "Traceback" not in ending.err


async def in_progress(readers: Sequence[socket.socket]) -> bool:
    """Whether the first readers, as many as have a slot, have something to read."""
    return set(select(readers[:8], [], [], 0)[0]) == set(readers[:8])


@contextmanager
def slow_reader(exporter: Exporter) -> Iterator[socket.socket]:
    """Ask for the whole exposition and read nothing of it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = httpx.URL(exporter.url)
        client.connect((url.host, url.port))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield client


async def test_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    """A deployment must not look like a reset counter, nor lose what happened meanwhile."""
    async with run_simulation() as (_, cloudflare):
        await cloudflare.order("pause")
        async with run_serve(cloudflare, tmp_path, **FAST) as exporter:
            await until_polled(exporter)
            user_id = next(iter(await cloudflare.summary()))
            await cloudflare.order("events", user=user_id, behavior="imp_travel", count=2)
            await until_events_are(2, exporter)
            await exporter.command.stop()
        await cloudflare.order("events", user=user_id, behavior="imp_travel", count=3)
        async with run_serve(cloudflare, tmp_path, **FAST) as exporter:
            await until_events_are(5, exporter)
        truth = await cloudflare.truth()
    assert sum(one.counted for one in truth.totals) == 5


async def until_events_are(count: int, exporter: Exporter) -> None:
    """Wait until the exporter has counted so many events, all of one behavior and level."""

    async def events() -> list[str]:
        return [
            line.rpartition(" ")[2]
            for line in (await first_answer(exporter, "/metrics")).text.splitlines()
            if line.startswith("cloudflare_zt_risk_events_total{") and not line.endswith(" 0")
        ]

    await until(events, lambda told: told == [str(count)])


async def test_once_tells_whether_every_resource_could_be_read(tmp_path: Path) -> None:
    """A cron job or a check in CI has nothing but the exit status."""
    poor = write_yaml(
        tmp_path / "poor.yaml",
        {"tokens": [{"name": "poor", "permissions": ["Zero Trust: PII Read"]}]},
    )
    statuses = {}
    for name, flags in {"full": (), "poor": ("--scenario", str(poor))}.items():
        async with run_simulation(*flags) as (_, cloudflare):
            ending = await run_command("once", "--state", "memory:", **cloudflare.environ)
        statuses[name] = ending.status
        assert 'cloudflare_zt_risk_users{account="' in ending.out
    assert statuses == {"full": 0, "poor": 1}


@pytest.mark.parametrize("command", ["serve", "once", "demo"])
async def test_a_misspelt_variable_is_refused_with_the_nearest_name(command: str) -> None:
    """A setting that silently did nothing would be found out in an incident."""
    ending = await run_command(command, RISK_EXPORTER_POLL_INTERVALL="5s")
    assert ending.status == 2
    assert "RISK_EXPORTER_POLL_INTERVAL\n" in ending.err
    assert "Traceback" not in ending.err
