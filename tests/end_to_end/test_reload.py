"""Reading the configuration again, by HTTP and by signal, while everything goes on."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.support.commands import running_command
from tests.support.processes import free_port, until
from tests.support.road import Cloudflare, Exporter, first_answer, run_serve, run_simulation
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow

LOADED = "cloudflare_zt_risk_exporter_config_last_reload_successful"


def write_config(path: Path, cloudflare: Cloudflare, name: str, **more: Json) -> Path:
    """A configuration of the one account under this name, polled every second."""
    account: Json = {
        "name": name,
        "account_id": cloudflare.environ["CLOUDFLARE_ACCOUNT_ID"],
        "api_token": cloudflare.environ["CLOUDFLARE_API_TOKEN"],
    }
    return write_yaml(
        path, {"accounts": [account], "poll_interval": "1s", "enable_lifecycle": True, **more}
    )


def by_file(cloudflare: Cloudflare) -> Cloudflare:
    """The same Cloudflare, with account and token told by the file alone."""
    url = {"RISK_EXPORTER_API_URL": cloudflare.environ["RISK_EXPORTER_API_URL"]}
    return Cloudflare(url, cloudflare.client)


async def metrics(exporter: Exporter) -> str:
    """What a scrape gives now."""
    return (await exporter.get("/metrics")).text


async def post_reload(exporter: Exporter) -> httpx.Response:
    """What `curl -X POST` would do."""
    return await exporter.cloudflare.client.post(f"{exporter.url}/-/reload", timeout=30.0)


async def until_shown(exporter: Exporter, line: str) -> str:
    """Wait until a line stands in the metrics; all of them."""
    return await until(lambda: metrics(exporter), lambda text: f"{line}\n" in text)


async def test_a_reload_takes_a_new_name_over_and_keeps_counting(tmp_path: Path) -> None:
    """The old name's series go, and what was counted goes on under the new one."""
    async with run_simulation("--speed", "60") as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "before")
        given = {"RISK_EXPORTER_CONFIG": str(config)}
        async with run_serve(by_file(cloudflare), tmp_path, **given) as exporter:
            await first_answer(exporter, "/metrics")
            await until_shown(exporter, 'cloudflare_zt_risk_up{account="before"} 1')
            before = await until(lambda: total_events(exporter), bool)
            write_config(config, cloudflare, "after")

            answer = await post_reload(exporter)
            await until_shown(exporter, 'cloudflare_zt_risk_up{account="after"} 1')

            assert answer.status_code == httpx.codes.OK
            assert 'account="before"' not in await metrics(exporter)
            assert await total_events(exporter) >= before


async def total_events(exporter: Exporter) -> float:
    """The sum of `events_total` over behaviors and levels."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in (await metrics(exporter)).splitlines()
        if line.startswith("cloudflare_zt_risk_events_total{")
    )


async def test_a_bad_configuration_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    """A typing error must not end the monitoring of everything."""
    async with run_simulation() as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "acme")
        given = {"RISK_EXPORTER_CONFIG": str(config)}
        async with run_serve(by_file(cloudflare), tmp_path, **given) as exporter:
            await first_answer(exporter, "/metrics")
            await until_shown(exporter, 'cloudflare_zt_risk_up{account="acme"} 1')
            write_config(config, cloudflare, "acme", poll_intervall="5s")

            answer = await post_reload(exporter)

            assert not answer.is_success
            assert "poll_interval" in answer.text
            assert cloudflare.environ["CLOUDFLARE_API_TOKEN"] not in answer.text
            text = await metrics(exporter)
            assert f"{LOADED} 0.0\n" in text
            assert 'cloudflare_zt_risk_up{account="acme"} 1\n' in text


async def test_a_refused_configuration_changes_no_log_level(tmp_path: Path) -> None:
    """What is refused is refused whole, whatever is found wrong and however late."""
    async with run_simulation() as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "acme", log_level="info")
        given = {"RISK_EXPORTER_CONFIG": str(config)}
        async with run_serve(by_file(cloudflare), tmp_path, **given) as exporter:
            await first_answer(exporter, "/metrics")
            write_config(
                config, cloudflare, "acme", log_level="debug", web_config_file="missing.yaml"
            )

            answer = await post_reload(exporter)
            await metrics(exporter)
            ending = await exporter.command.stop()

            assert "missing.yaml" in answer.text
            assert '"level": "debug"' not in ending.err


async def test_an_accepted_configuration_changes_the_log_level(tmp_path: Path) -> None:
    """To look closer at what goes on must not need a restart."""
    async with run_simulation() as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "acme", log_level="info")
        given = {"RISK_EXPORTER_CONFIG": str(config)}
        async with run_serve(by_file(cloudflare), tmp_path, **given) as exporter:
            await first_answer(exporter, "/metrics")
            write_config(config, cloudflare, "acme", log_level="debug")

            answer = await post_reload(exporter)
            await metrics(exporter)
            ending = await exporter.command.stop()

            assert answer.is_success
            assert '"level": "debug"' in ending.err


async def test_what_needs_a_restart_is_refused_by_name(tmp_path: Path) -> None:
    """The state cannot be moved from under running pollers."""
    url = f"http://127.0.0.1:{free_port()}"
    fixed: dict[str, Json] = {"listen": url.removeprefix("http://"), "state": "memory:"}
    async with run_simulation() as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "acme", **fixed)
        async with running_command(
            "serve", "--config", str(config), **by_file(cloudflare).environ
        ) as command:
            exporter = Exporter(command, url, cloudflare)
            await first_answer(exporter, "/metrics")
            write_config(
                config, cloudflare, "acme", **fixed | {"state": f"sqlite:{tmp_path / 'other.db'}"}
            )

            answer = await post_reload(exporter)

            assert not answer.is_success
            assert "state" in answer.text
            assert "restart" in answer.text


async def test_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    """As daemons have always done."""
    async with run_simulation() as (_, cloudflare):
        config = write_config(tmp_path / "config.yaml", cloudflare, "before")
        given = {"RISK_EXPORTER_CONFIG": str(config)}
        async with run_serve(by_file(cloudflare), tmp_path, **given) as exporter:
            await first_answer(exporter, "/metrics")
            await until_shown(exporter, 'cloudflare_zt_risk_up{account="before"} 1')
            write_config(config, cloudflare, "after")

            exporter.command.send(signal.SIGHUP)

            await until_shown(exporter, 'cloudflare_zt_risk_up{account="after"} 1')
