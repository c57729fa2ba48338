"""A simulated account of a given size in a process of its own, and exporters that poll it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import aiohttp
import msgspec

from bench.seeding import seed_state
from exporter.clock import SystemClock
from exporter.cloudflare.client import CloudflareClient, Exchange, TokenSource, open_session
from tests.support.processes import free_port, run_program
from tests.support.simulator import STILL
from tests.support.yaml_file import Json, write_yaml


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each thing is done.

    `poll_seconds` is the exporter's poll interval, long enough for a poll to be over and done
    with before the next. `windows` are ten seconds each. With `rival_runs` 0 neither
    prometheus-client nor client_golang is run.
    """

    poll_seconds: float
    polls: int = 3
    scrapes: int = 40
    windows: int = 5
    rival_runs: int = 3

    @property
    def held_back_seconds(self) -> float:
        """How late details are answered while a summary is polled, to tell the two apart."""
        return self.poll_seconds * 0.4


def plan_for(users: int) -> Plan:
    """What takes some minutes at that size."""
    if users > 100_000:
        return Plan(poll_seconds=90.0, polls=1, windows=1, rival_runs=0)
    if users > 10_000:
        return Plan(poll_seconds=10.0, polls=5)
    return Plan(poll_seconds=4.0)


ACCOUNT_ID = "023e105f4ecef8ad9ca31a8372d0c353"
BEHAVIOR = "imp_travel"
"""The key of the behavior whose events are triggered; its level is high."""

TOKEN = "bench-token"  # noqa: S105  # the simulator's own
_AT_ONCE = 8
_START_SECONDS = 300.0
_NEVER = "365d"


class _Count(msgspec.Struct):
    operation: str | None
    count: int


class _Log(msgspec.Struct):
    counts: list[_Count]


@dataclass(frozen=True, slots=True)
class Running:
    """An exporter as a process of its own, or another server that is compared with it."""

    port: int
    pid: int


class World:
    """The simulated account; what happens in it is what is asked for here."""

    def __init__(
        self, size: int, *, folder: Path, origin: str, session: aiohttp.ClientSession
    ) -> None:
        self.size = size
        self.folder = folder
        self.user_ids: Sequence[str] = ()
        self._origin = origin
        self._session = session
        self._random = Random(1)

    @property
    def api_url(self) -> str:
        """The base URL of the API."""
        return f"{self._origin}/client/v4"

    @property
    def state(self) -> Path:
        """A state file that knows all users."""
        return self.folder / "state.db"

    async def seed(self) -> None:
        """Write the state file."""
        async with open_session() as session:
            client = CloudflareClient(
                session,
                api_url=self.api_url,
                token=TokenSource.from_literal(TOKEN),
                timeout_seconds=_START_SECONDS,
                on_exchange=_ignore,
                clock=SystemClock(),
            )
            self.user_ids = await seed_state(self.state, client, ACCOUNT_ID)

    async def trigger_events(self, count: int) -> None:
        """One event for each of `count` users scattered over all."""
        user_ids = iter(self._random.sample(self.user_ids, count))

        async def work() -> None:
            for user_id in user_ids:
                await self.order("events", user=user_id, behavior=BEHAVIOR)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(work())

    async def order(self, what: str, **body: object) -> None:
        """Give the simulator an order."""
        async with self._session.post(f"{self._origin}/simulator/{what}", json=body) as answer:
            answer.raise_for_status()

    async def clear_faults(self) -> None:
        """Let every request be answered well from now on."""
        async with self._session.delete(f"{self._origin}/simulator/faults") as answer:
            answer.raise_for_status()

    async def calls(self, operation: str = "") -> int:
        """How many API calls of an operation, or of all, have ended so far."""
        async with self._session.get(f"{self._origin}/simulator/log") as answer:
            log = msgspec.json.decode(await answer.read(), type=_Log)
        return sum(one.count for one in log.counts if operation in ("", one.operation))


@asynccontextmanager
async def open_world(size: int) -> AsyncIterator[World]:
    """Simulate `size` users, all listed, in a process of its own; a state file knows them all."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="bench-") as name:
        folder = _opened(Path(name))
        scenario = write_yaml(folder / "scenario.yaml", _scenario(size))
        command = ["-m", "exporter", "simulate", "--listen", f"127.0.0.1:{port}"]
        async with (
            run_program(
                [sys.executable, *command, "--scenario", scenario],
                log=folder / "simulator.log",
                ready_url=f"{origin}/simulator/",
                within_seconds=_START_SECONDS,
            ),
            aiohttp.ClientSession() as session,
        ):
            world = World(size, folder=folder, origin=origin, session=session)
            await world.seed()
            yield world


def _opened(folder: Path) -> Path:
    """The folder, for nginx's workers to read, which are another user."""
    folder.chmod(0o755)
    return folder


@asynccontextmanager
async def run_exporter(world: World, *module: str, poll_seconds: float) -> AsyncIterator[Running]:
    """Run `serve`, or a module of ours that serves likewise, with every series on.

    The configuration is polled at the start alone, and nobody's details for their age.
    """
    port = free_port()
    settings = {
        "api_url": world.api_url,
        "listen": f"127.0.0.1:{port}",
        "state": f"sqlite:{world.state}",
        "poll_interval": f"{poll_seconds:g}",
        "config_interval": _NEVER,
        "detail_max_age": _NEVER,
        "data_max_age": _NEVER,
        "api_timeout": f"{_START_SECONDS:g}",
        "users_limit": f"{world.size * 2}",
        "log_format": "json",
    }
    own = {f"RISK_EXPORTER_{name.upper()}": value for name, value in settings.items()}
    environ = {**own, "CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT_ID}
    assignments = [f"{name}={value}" for name, value in environ.items()]
    async with run_program(
        # `env` becomes the exporter: the process is the same.
        ["env", *assignments, sys.executable, "-m", *(module or ("exporter", "serve"))],
        log=world.folder / "exporter.log",
        ready_url=f"http://127.0.0.1:{port}/-/ready",
        within_seconds=_START_SECONDS,
    ) as process:
        yield Running(port, process.pid)


def _scenario(size: int) -> dict[str, Json]:
    """All users are listed, nothing happens by itself, and nobody runs out of quota."""
    return {
        "quota": {"requests": 1_000_000_000},
        "tokens": [{"name": "full", "token": TOKEN}],
        "accounts": [
            {
                "name": "bench",
                "account_id": ACCOUNT_ID,
                "users": size,
                "levels": {"low": 0.6, "medium": 0.3, "high": 0.1},
                "events_per_user": 2,
                "timestamps": "plain",
                "activity": dict(STILL),
            }
        ],
    }


def _ignore(_: Exchange) -> None:
    """Nobody counts the requests of a measurement's preparation."""
