"""A real Alertmanager on loopback, and a webhook that keeps what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from tests.support.processes import free_port, run_program
from tests.support.programs import require_program
from tests.support.yaml_file import Json, write_yaml


class NotifiedAlert(msgspec.Struct, frozen=True):
    """One alert of a notification; `status` is firing or resolved."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    """One call of the webhook: a group of alerts, as Alertmanager tells it (version 4)."""

    status: str
    receiver: str
    group_labels: dict[str, str]
    alerts: list[NotifiedAlert]


class Webhook:
    """A receiver of notifications; `received` holds them in the order they came."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Notification] = []
        self._changed = asyncio.Condition()

    async def until(
        self, holds: Callable[[NotifiedAlert], bool], *, within_seconds: float = 120.0
    ) -> NotifiedAlert:
        """The first alert received, so far or from now on, for which `holds` is true.

        Raises TimeoutError where none comes in time.
        """
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: any(map(holds, self._alerts())))
        return next(filter(holds, self._alerts()))

    def _alerts(self) -> list[NotifiedAlert]:
        return [alert for notification in self.received for alert in notification.alerts]

    async def answer(self, request: web.Request) -> web.Response:
        """Keep one notification."""
        notification = msgspec.json.decode(await request.read(), type=Notification)
        async with self._changed:
            self.received.append(notification)
            self._changed.notify_all()
        return web.Response(status=204)


@asynccontextmanager
async def run_webhook() -> AsyncIterator[Webhook]:
    """Serve a webhook on a free port of loopback; its `url` is what a receiver posts to."""
    webhook = Webhook()
    app = web.Application()
    app.router.add_post("/", webhook.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        webhook.url = f"http://127.0.0.1:{port}/"
        yield webhook
    finally:
        await runner.cleanup()


def webhook_config(url: str, *, group_by: Sequence[str] = ("...",)) -> dict[str, Json]:
    """Send every alert to one webhook at once, fired and resolved.

    Grouped by all labels unless told otherwise: one notification per alert.
    """
    return {
        "route": {
            "receiver": "webhook",
            "group_by": list(group_by),
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [
            {"name": "webhook", "webhook_configs": [{"url": url, "send_resolved": True}]}
        ],
    }


@asynccontextmanager
async def run_alertmanager(folder: Path, config: Mapping[str, Json]) -> AsyncIterator[str]:
    """Run an Alertmanager that keeps everything in `folder`; gives its URL once it is ready."""
    program = require_program("alertmanager")
    config_file = write_yaml(folder / "alertmanager.yml", config)
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        program,
        f"--config.file={config_file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",  # one alone: no gossip, no port for it
    ]
    url = f"http://{address}"
    async with run_program(command, log=folder / "alertmanager.log", ready_url=f"{url}/-/ready"):
        yield url
