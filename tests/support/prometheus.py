"""A real Prometheus on loopback, with a folder and a port of its own, and its HTTP API.

The API is read as https://prometheus.io/docs/prometheus/latest/querying/api/ documents it,
no further than the tests ask.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from tests.support.processes import free_port, run_program, until
from tests.support.programs import require_program
from tests.support.yaml_file import Json, write_yaml

_Data = TypeVar("_Data")


class _Answer(msgspec.Struct, Generic[_Data]):
    status: Literal["success"]
    data: _Data


class _Vector(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Matrix(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Vectors(msgspec.Struct):
    result: list[_Vector]


class _Matrices(msgspec.Struct):
    result: list[_Matrix]


class Sample(msgspec.Struct, frozen=True):
    """One element of an instant vector."""

    labels: dict[str, str]
    value: float
    timestamp: float


class Series(msgspec.Struct, frozen=True):
    """One element of a range vector: (Unix seconds, value) in the order of time."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Target(msgspec.Struct, frozen=True, rename="camel"):
    """One active target; `health` is up, down or unknown, `last_error` is empty when up."""

    labels: dict[str, str]
    scrape_url: str
    health: str
    last_error: str
    last_scrape_duration: float


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One active alert; `state` is pending or firing."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: str


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """One rule; `state` is there for alerting rules alone, `last_error` is empty when well."""

    name: str
    type: str
    query: str
    health: str
    last_error: str = ""
    state: str = ""
    duration: float = 0.0
    alerts: list[Alert] = msgspec.field(default_factory=list)


class RuleGroup(msgspec.Struct, frozen=True):
    """One group of rules, as its file has it."""

    name: str
    file: str
    rules: list[Rule]


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[Target]


class _Alerts(msgspec.Struct):
    alerts: list[Alert]


class _Groups(msgspec.Struct):
    groups: list[RuleGroup]


class Prometheus:
    """A running Prometheus. `url` has no slash at its end; `folder` holds config, data, log."""

    def __init__(self, url: str, *, pid: int, folder: Path, client: httpx.AsyncClient) -> None:
        self.url = url
        self.pid = pid
        self.folder = folder
        self._client = client

    async def query(self, expression: str, *, at: float | None = None) -> list[Sample]:
        """Evaluate an expression that gives an instant vector, now or at Unix second `at`."""
        when = {} if at is None else {"time": str(at)}
        answer = await self._get("query", _Answer[_Vectors], query=expression, **when)
        return [Sample(row.metric, float(row.value[1]), row.value[0]) for row in answer.result]

    async def value(self, expression: str) -> float | None:
        """The one value of `expression`, or None where it gives nothing."""
        samples = await self.query(expression)
        assert len(samples) <= 1, f"{expression} gives {len(samples)} samples"
        return samples[0].value if samples else None

    async def values(self, expression: str, label: str) -> dict[str, float]:
        """What `expression` gives, by one label of its samples."""
        return {row.labels.get(label, ""): row.value for row in await self.query(expression)}

    async def until(
        self,
        expression: str,
        holds: Callable[[list[Sample]], bool] = bool,
        *,
        within_seconds: float = 120.0,
    ) -> list[Sample]:
        """Ask until the samples of `expression` fulfil `holds`; the default is: there are any."""
        return await until(lambda: self.query(expression), holds, within_seconds=within_seconds)

    async def query_range(
        self, expression: str, *, start: float, end: float, step_seconds: float
    ) -> list[Series]:
        """Evaluate `expression` at each step from `start` to `end`, both Unix seconds."""
        span = {"start": str(start), "end": str(end), "step": str(step_seconds)}
        answer = await self._get("query_range", _Answer[_Matrices], query=expression, **span)
        return [
            Series(row.metric, [(when, float(value)) for when, value in row.values])
            for row in answer.result
        ]

    async def targets(self) -> list[Target]:
        """All active targets."""
        return (await self._get("targets", _Answer[_Targets], state="active")).active_targets

    async def rules(self) -> list[RuleGroup]:
        """All groups of rules."""
        return (await self._get("rules", _Answer[_Groups])).groups

    async def alerts(self) -> list[Alert]:
        """All alerts that are pending or firing."""
        return (await self._get("alerts", _Answer[_Alerts])).alerts

    async def reload(self) -> None:
        """Have the configuration and the rule files read again."""
        answer = await self._client.post(f"{self.url}/-/reload")
        assert answer.status_code == httpx.codes.OK, answer.text

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "prometheus.log").read_text(encoding="utf-8", errors="replace")

    async def _get(self, path: str, shape: type[_Answer[_Data]], **parameters: str) -> _Data:
        answer = await self._client.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        return msgspec.json.decode(answer.content, type=shape).data


def scrape_config(
    *urls: str, job: str = "risk", interval: str = "1s", **more: Json
) -> dict[str, Json]:
    """One entry of `scrape_configs` for servers of the same scheme and path.

    A URL without a path means `/metrics`; `more` is put into the entry as it is.
    """
    parts = [urlsplit(url) for url in urls]
    return {
        "job_name": job,
        "scheme": parts[0].scheme,
        "metrics_path": parts[0].path.rstrip("/") or "/metrics",
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "static_configs": [{"targets": [part.netloc for part in parts]}],
        **more,
    }


@asynccontextmanager
async def run_prometheus(
    folder: Path,
    *scrape_configs: Mapping[str, Json],
    rule_files: Sequence[Path] = (),
    alertmanagers: Sequence[str] = (),
    evaluation_interval: str = "1s",
    flags: Sequence[str] = (),
) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that keeps everything in `folder`, ready when the block is entered.

    `alertmanagers` are URLs; `flags` are further flags of its command line. Its program is the
    one on PATH, so that a newer one can be tried by putting it first.
    """
    program = require_program("prometheus")
    config = write_yaml(
        folder / "prometheus.yml",
        _config(scrape_configs, rule_files, alertmanagers, evaluation_interval),
    )
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        *flags,
    ]
    url = f"http://{address}"
    async with (
        run_program(command, log=folder / "prometheus.log", ready_url=f"{url}/-/ready") as process,
        httpx.AsyncClient(trust_env=False, timeout=30.0) as client,
    ):
        yield Prometheus(url, pid=process.pid, folder=folder, client=client)


def _config(
    scrape_configs: Sequence[Mapping[str, Json]],
    rule_files: Sequence[Path],
    alertmanagers: Sequence[str],
    evaluation_interval: str,
) -> dict[str, Json]:
    targets: list[Json] = [urlsplit(url).netloc for url in alertmanagers]
    return {
        "global": {"evaluation_interval": evaluation_interval},
        "scrape_configs": [dict(entry) for entry in scrape_configs],
        "rule_files": [str(path) for path in rule_files],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]},
    }
