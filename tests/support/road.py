"""The whole road as end-to-end tests walk it: commands in front, their numbers behind."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from tests.support.commands import Running, running_command
from tests.support.processes import free_port, until
from tests.support.simulator import Truth

ASSIGNMENTS = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "RISK_EXPORTER_API_URL")


class _Truths(msgspec.Struct):
    accounts: dict[str, Truth]


class _Row(msgspec.Struct):
    user_id: str
    max_risk_level: str


class _Rows(msgspec.Struct):
    users: list[_Row]


class _Summary(msgspec.Struct):
    result: _Rows


class _Faults(msgspec.Struct):
    faults: list[object]


@dataclass(frozen=True, slots=True)
class Cloudflare:
    """A simulated Cloudflare as its users reach it, by the three assignments it prints."""

    environ: Mapping[str, str]
    client: httpx.AsyncClient

    async def summary(self) -> dict[str, str]:
        """The level of every listed user by id, asked of the API itself."""
        answer = await self.client.get(
            f"{self.environ['RISK_EXPORTER_API_URL']}"
            f"/accounts/{self.environ['CLOUDFLARE_ACCOUNT_ID']}/zt_risk_scoring/summary",
            headers={"Authorization": f"Bearer {self.environ['CLOUDFLARE_API_TOKEN']}"},
        )
        rows = msgspec.json.decode(answer.raise_for_status().content, type=_Summary).result.users
        return {row.user_id: row.max_risk_level for row in rows}

    async def truth(self) -> Truth:
        """The ground truth of the account."""
        answer = await self.client.get(f"{self._controls}/truth")
        truths = msgspec.json.decode(answer.raise_for_status().content, type=_Truths)
        return truths.accounts[self.environ["CLOUDFLARE_ACCOUNT_ID"]]

    async def faults(self) -> int:
        """Return how many faults have not been used up."""
        answer = await self.client.get(f"{self._controls}/faults")
        return len(msgspec.json.decode(answer.raise_for_status().content, type=_Faults).faults)

    async def order(self, what: str, **body: object) -> None:
        """Give the controls an order."""
        answer = await self.client.post(f"{self._controls}/{what}", json=body)
        assert answer.is_success, answer.text

    @property
    def _controls(self) -> str:
        origin = httpx.URL(self.environ["RISK_EXPORTER_API_URL"]).copy_with(path="/simulator")
        return str(origin)


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running exporter: its command, its base URL, and the Cloudflare behind it."""

    command: Running
    url: str
    cloudflare: Cloudflare

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET one of its pages."""
        return await self.cloudflare.client.get(f"{self.url}{path}", headers=headers)


@asynccontextmanager
async def run_simulation(*flags: str) -> AsyncIterator[tuple[Running, Cloudflare]]:
    """Run `simulate`, with these flags, until the block ends."""
    async with (
        running_command("simulate", *flags) as command,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await command.read_until(ASSIGNMENTS[-1])
        yield command, Cloudflare(command.assignments, client)


@asynccontextmanager
async def run_serve(
    cloudflare: Cloudflare, folder: Path, **environ: str
) -> AsyncIterator[Exporter]:
    """Run `serve` with what a second terminal has, its state in `folder`; entered at once.

    `environ` are further variables.
    """
    listen = f"127.0.0.1:{free_port()}"
    own = {"RISK_EXPORTER_LISTEN": listen, "RISK_EXPORTER_STATE": f"sqlite:{folder / 'state.db'}"}
    async with running_command("serve", **cloudflare.environ, **own, **environ) as command:
        yield Exporter(command, f"http://{listen}", cloudflare)


@asynccontextmanager
async def run_demo(*flags: str) -> AsyncIterator[Exporter]:
    """Run `demo` on a port of its own, with these flags, until the block ends."""
    listen = f"127.0.0.1:{free_port()}"
    async with (
        running_command("demo", "--listen", listen, *flags) as command,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await command.read_until("# Ctrl-C")
        yield Exporter(command, f"http://{listen}", Cloudflare(command.assignments, client))


async def first_answer(exporter: Exporter, path: str) -> httpx.Response:
    """Return the first answer that a starting exporter gives at `path`."""

    async def ask() -> httpx.Response | None:
        try:
            return await exporter.get(path)
        except httpx.ConnectError:
            return None

    answer = await until(ask, lambda given: given is not None)
    assert answer is not None
    return answer
