"""The real Prometheus and Alertmanager that other tests ask."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.alertmanager import run_alertmanager, run_webhook, webhook_config
from tests.support.processes import free_port, run_program, until
from tests.support.programs import require_program
from tests.support.prometheus import Target, run_prometheus, scrape_config
from tests.support.yaml_file import write_yaml

pytestmark = pytest.mark.slow


@asynccontextmanager
async def run_target(text: str) -> AsyncIterator[str]:
    """Serve `text` as metrics on loopback; gives the URL."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_scraped_sample_is_found_by_a_query(tmp_path: Path) -> None:
    """All of end to end rests on this."""
    async with (
        run_target('lamp_lit{room="a"} 1\nlamp_lit{room="b"} 0\n') as url,
        run_prometheus(tmp_path, scrape_config(url, job="lamps")) as prometheus,
    ):
        await prometheus.until("lamp_lit", lambda samples: len(samples) == 2)
        assert await prometheus.values('lamp_lit{job="lamps"}', "room") == {"a": 1.0, "b": 0.0}
        assert await prometheus.value("lamp_lit == 7") is None
        now = time.time()
        series = await prometheus.query_range(
            'lamp_lit{room="a"}', start=now - 60, end=now, step_seconds=1
        )
        assert {value for _, value in series[0].points} == {1.0}


async def test_a_target_that_is_down_says_why(tmp_path: Path) -> None:
    """A failed scrape must be told from one that never was."""
    dead = f"http://127.0.0.1:{free_port()}"
    async with run_prometheus(tmp_path, scrape_config(dead)) as prometheus:

        def is_down(targets: list[Target]) -> bool:
            return [target.health for target in targets] == ["down"]

        (target,) = await until(prometheus.targets, is_down)
        assert "connection refused" in target.last_error


async def test_an_alert_reaches_the_webhook(tmp_path: Path) -> None:
    """Alerts are proven by what a person would be told, not by their expression alone."""
    rules = write_yaml(
        tmp_path / "rules.yml",
        {"groups": [{"name": "lamps", "rules": [{"alert": "LampDark", "expr": "lamp_lit == 0"}]}]},
    )
    async with (
        run_target("lamp_lit 0\n") as target,
        run_webhook() as webhook,
        run_alertmanager(tmp_path, webhook_config(webhook.url)) as alertmanager,
        run_prometheus(
            tmp_path, scrape_config(target), rule_files=[rules], alertmanagers=[alertmanager]
        ) as prometheus,
    ):
        alert = await webhook.until(lambda alert: alert.labels["alertname"] == "LampDark")
        assert alert.status == "firing"
        assert [alert.state for alert in await prometheus.alerts()] == ["firing"]
        assert [(group.name, group.rules[0].health) for group in await prometheus.rules()] == [
            ("lamps", "ok")
        ]


async def test_a_program_that_ends_too_early_shows_its_log(tmp_path: Path) -> None:
    """A wrong configuration must not look like a slow start."""
    command: list[str | Path] = [require_program("prometheus"), "--config.file=/nowhere"]
    with pytest.raises(AssertionError, match=r"(?s)ended with status.*/nowhere"):
        async with run_program(command, log=tmp_path / "log", ready_url="http://127.0.0.1:9"):
            pass
