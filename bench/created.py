"""What `_created` samples cost Prometheus, with created-timestamp ingestion and without it.

With that feature Prometheus looks for the `_created` sample of every counter, and reads the rest
of the family where there is none. So the cost without them grows with the square of the number of
users, and a tenth of the users is enough to show it.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.population import Population
from bench.process import cpu_seconds
from bench.report import Row, markdown_table
from exporter.exposition import Exposition
from exporter.logs import configure_logging
from exporter.settings import LogFormat, LogLevel
from tests.support.programs import require_program
from tests.support.prometheus import run_prometheus, scrape_config
from tests.support.web_server import serve_exposition

_FEATURE = "--enable-feature=created-timestamp-zero-ingestion"
_SCRAPE_SECONDS = 10
_SCRAPES = 5
_FIRST_SCRAPE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Case:
    """One Prometheus and one exposition."""

    users: int
    created_shown: bool
    is_ingesting: bool

    @property
    def name(self) -> str:
        """What the table calls it."""
        samples = "_created" if self.created_shown else "no _created"
        return f"{samples}, ingestion {'on' if self.is_ingesting else 'off'}"


def run(*, users: int, program: Path | None) -> str:
    """Scrape each case some times; the version of Prometheus, and a table.

    `program` is the Prometheus to run; None: the one on PATH.
    """
    configure_logging(level=LogLevel.WARNING, log_format=LogFormat.JSON)
    if program is not None:
        os.environ["PATH"] = f"{program.resolve().parent}{os.pathsep}{os.environ['PATH']}"
    few = users // 10
    cases = (
        _Case(users, created_shown=True, is_ingesting=True),
        _Case(users, created_shown=True, is_ingesting=False),
        _Case(users, created_shown=False, is_ingesting=False),
        _Case(few, created_shown=True, is_ingesting=True),
        _Case(few, created_shown=False, is_ingesting=True),
    )
    rows = [row for case in cases for row in asyncio.run(_measure(case))]
    return f"{_version()}\n\n{markdown_table(rows)}"


async def _measure(case: _Case) -> list[Row]:
    exposition = Exposition()
    exposition.created_shown = case.created_shown
    await exposition.publish(Population(case.users).snapshot(), changed=None)
    with TemporaryDirectory(prefix="bench-") as name:
        async with (
            serve_exposition(exposition) as served,
            run_prometheus(
                Path(name),
                scrape_config(served.server.url, interval=f"{_SCRAPE_SECONDS}s"),
                flags=(_FEATURE,) if case.is_ingesting else (),
            ) as prometheus,
        ):
            await prometheus.until("up == 1", within_seconds=_FIRST_SCRAPE_SECONDS)
            used, began = cpu_seconds(prometheus.pid), time.time()
            await asyncio.sleep(_SCRAPES * _SCRAPE_SECONDS)
            used, ended = cpu_seconds(prometheus.pid) - used, time.time()
            (durations,) = await prometheus.query_range(
                "scrape_duration_seconds", start=began, end=ended, step_seconds=_SCRAPE_SECONDS
            )
    seconds: Sequence[float] = [value for _, value in durations.points]
    return [
        Row(f"CPU of Prometheus a scrape, {case.name}", case.users, (used / _SCRAPES,), "s"),
        Row(f"scrape_duration_seconds, {case.name}", case.users, (median(seconds),), "s"),
    ]


def _version() -> str:
    """Return the first line of what Prometheus says of its version."""
    told = subprocess.run(
        [require_program("prometheus"), "--version"], check=True, capture_output=True, text=True
    )
    return (told.stdout or told.stderr).splitlines()[0]
