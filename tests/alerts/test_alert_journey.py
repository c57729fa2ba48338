"""The alerts as shipped, live: from a risk event at Cloudflare to a message, and back again.

The simulator, the exporter, Prometheus and Alertmanager are real processes. Of the shipped files
only times are shortened, and receivers turned to a webhook of ours: see `shorten`.
"""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.support.alert_rules import PROMETHEUS, RULE_FILES
from tests.support.alertmanager import NotifiedAlert, Webhook, run_alertmanager, run_webhook
from tests.support.commands import running_command
from tests.support.processes import free_port, run_program, until
from tests.support.prometheus import Alert, Prometheus, run_prometheus, scrape_config
from tests.support.simulator import ADA, BOB, still_account
from tests.support.yaml_file import Json, write_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JOB = "cloudflare-risk-exporter"
TOKEN = "a-token-of-the-simulator"
SHORTENED = {
    "for": "3s",
    "keep_firing_for": "1s",
    "interval": "1s",
    "group_wait": "0s",
    "group_interval": "1s",
}
"""What becomes of times in seconds and minutes. Hours stay hours: an alert on what has lasted for
a day would otherwise come at once, and silence the one on what has just begun."""


def shorten(paths: Iterable[Path], folder: Path, *, webhook: str = "") -> list[Path]:
    """Copy shipped files with the times of SHORTENED, and with every receiver at `webhook`."""
    copies = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for key, value in SHORTENED.items():
            text = re.sub(
                rf"^( +){key}: \d+[sm]$", rf"\g<1>{key}: {value}", text, flags=re.MULTILINE
            )
        text = re.sub(r"url: http://localhost.*", f"url: {webhook}", text)
        copies.append(folder / path.name)
        copies[-1].write_text(text, encoding="utf-8")
    return copies


@dataclass
class Journey:
    """What became of one alert, and when; seconds count from what caused it."""

    prometheus: Prometheus
    webhook: Webhook
    alertname: str
    labels: dict[str, str]
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    stations: list[str] = field(default_factory=list)

    async def reaches(self, state: str) -> None:
        """Wait until Prometheus has the alert in this state."""
        await until(self._states, lambda states: state in states)
        self._note(state)

    async def is_delivered(self, status: str, *, receiver: str) -> NotifiedAlert:
        """Wait for the message with this status, which goes to this receiver alone."""
        alert = await self.webhook.until(
            lambda alert: alert.status == status and self._is_ours(alert.labels),
        )
        receivers = {
            told.receiver
            for told in self.webhook.received
            if any(self._is_ours(one.labels) for one in told.alerts)
        }
        assert receivers == {receiver}
        self._note(f"{status} delivered to {receiver}")
        return alert

    async def ends(self) -> None:
        """Wait until Prometheus has the alert no more."""
        await until(self._states, lambda states: not states & {"pending", "firing"})
        self._note("ended")

    def tell(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Print the journey, captured output or not."""
        with capsys.disabled():
            print(f"\n  {self.alertname} {self.labels}")  # noqa: T201 (what the test is for)
            for station in self.stations:
                print(f"    {station}")  # noqa: T201

    async def _states(self) -> set[str]:
        return {alert.state for alert in await self.prometheus.alerts() if self._is_this(alert)}

    def _is_this(self, alert: Alert) -> bool:
        return self._is_ours(alert.labels)

    def _is_ours(self, labels: dict[str, str]) -> bool:
        return labels.items() >= {"alertname": self.alertname, **self.labels}.items()

    def _note(self, what: str) -> None:
        self.stations.append(f"{asyncio.get_running_loop().time() - self.began:5.1f} s  {what}")


@dataclass(frozen=True)
class Stack:
    """Everything that runs; `exporter` starts another one at the same address."""

    folder: Path
    simulator_url: str
    exporter_url: str
    config: Path

    def exporter(self) -> AbstractAsyncContextManager[Process]:
        """Run the exporter, ready when the block is entered."""
        return run_program(
            [sys.executable, "-m", "exporter", "serve", "--config", self.config],
            log=self.folder / "exporter.log",
            ready_url=f"{self.exporter_url}/-/ready",
        )

    async def order(self, what: str, **body: str) -> None:
        """Have something happen in the simulated account."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.simulator_url}/simulator/{what}", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[tuple[Prometheus, Webhook]]:
        """Run Prometheus and Alertmanager with the shipped rules and routes, shortened."""
        shipped, alerting, watching = (self.folder / name for name in ("shipped", "am", "prom"))
        for folder in (shipped, alerting, watching):
            folder.mkdir()
        rules = shorten(RULE_FILES, shipped)
        async with run_webhook() as webhook:
            (routes,) = shorten([PROMETHEUS / "alertmanager.yml"], shipped, webhook=webhook.url)
            config: dict[str, Json] = yaml.safe_load(routes.read_text(encoding="utf-8"))
            async with (
                run_alertmanager(alerting, config) as alertmanager,
                run_prometheus(
                    watching,
                    scrape_config(self.exporter_url, job=JOB),
                    rule_files=rules,
                    alertmanagers=[alertmanager],
                ) as prometheus,
            ):
                yield prometheus, webhook


@asynccontextmanager
async def run_stack(folder: Path) -> AsyncIterator[Stack]:
    """Simulate a quiet account beside a lively one that runs at sixty times its speed."""
    accounts: list[Json] = [
        {"name": "acme", "account_id": "1" * 32},
        {"name": "globex", "account_id": "2" * 32},
    ]
    scenario = {
        "speed": 60,
        "quota": {"requests": 1_000_000},
        "tokens": [{"name": "full", "token": TOKEN}],
        "accounts": [
            still_account(account_id="1" * 32),
            {"name": "globex", "account_id": "2" * 32, "users": 300},
        ],
    }
    (folder / "scenario.yml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    async with running_command("simulate", "--scenario", f"{folder / 'scenario.yml'}") as command:
        line = await command.read_until("RISK_EXPORTER_API_URL=")
        api_url = line.partition("=")[2]
        config = write_yaml(
            folder / "exporter.yml",
            {
                "accounts": accounts,
                "api_url": api_url,
                "api_token_file": str(folder / "token"),
                "listen": address,
                "state": "memory:",
                "poll_interval": "1s",
                "config_interval": "5s",
            },
        )
        parts = urlsplit(api_url)
        yield Stack(folder, f"{parts.scheme}://{parts.netloc}", f"http://{address}", config)


async def test_a_user_at_high_risk_reaches_people_and_a_reset_calls_it_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the whole product is for; the lively account beside it must not blur whose alert it is."""
    async with (
        run_stack(tmp_path) as stack,
        stack.exporter(),
        stack.watched() as (prometheus, webhook),
    ):
        await prometheus.until('cloudflare_zt_risk_users{account="acme"}')
        labels = {"account": "acme", "user_id": BOB}
        journey = Journey(prometheus, webhook, "CloudflareRiskUserHigh", labels)
        await stack.order("events", account="acme", user=BOB, behavior="imp_travel")
        await journey.reaches("pending")
        await journey.reaches("firing")
        alert = await journey.is_delivered("firing", receiver="security")
        assert alert.labels == {
            "alertname": "CloudflareRiskUserHigh",
            "severity": "warning",
            "component": "risk",
            **labels,
        }
        assert "(bob@example.com)" in alert.annotations["description"]

        await stack.order("reset", account="acme", user=BOB)
        await journey.ends()
        await journey.is_delivered("resolved", receiver="security")
        journey.tell(capsys)


async def test_a_killed_exporter_is_told_of_and_is_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence must not look like safety: who was at high risk stays so until data say otherwise."""
    async with run_stack(tmp_path) as stack, stack.watched() as (prometheus, webhook):
        ada = Journey(
            prometheus, webhook, "CloudflareRiskUserHigh", {"account": "acme", "user_id": ADA}
        )
        async with stack.exporter() as exporter:
            await ada.is_delivered("firing", receiver="security")
            instance = urlsplit(stack.exporter_url).netloc
            labels = {"job": JOB, "instance": instance, "severity": "critical"}
            down = Journey(prometheus, webhook, "CloudflareRiskExporterDown", labels)
            exporter.kill()
            await down.reaches("pending")
            await down.reaches("firing")
            await down.is_delivered("firing", receiver="operations")
            await ada.reaches("firing")
        async with stack.exporter():
            await down.ends()
            await down.is_delivered("resolved", receiver="operations")
            await ada.reaches("firing")
        told = [one for told in webhook.received for one in told.alerts]
        assert not [
            one for one in told if one.labels.get("user_id") == ADA and one.status == "resolved"
        ]
        down.tell(capsys)
