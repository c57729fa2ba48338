"""What the exporter is compared with, each run and measured as a process of its own.

Nothing is installed here: a program that is missing is told of, and its comparison left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from bench.process import cpu_seconds, peak_megabytes, resident_megabytes, scrape_ms
from bench.world import ACCOUNT_ID, TOKEN, Running, World
from tests.support.processes import free_port, run_program

_GO_SOURCE = Path(__file__).parent / "golang" / "main.go"
_GO_PATH = Path("/usr/share/gocode")
_GO_CLIENT = _GO_PATH / "src/github.com/prometheus/client_golang"
_GO_PACKAGES = "golang-go golang-github-prometheus-client-golang-dev"
_START_SECONDS = 300.0
_NGINX_CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    default_type "application/openmetrics-text; version=1.0.0; charset=utf-8";
    sendfile on;
    gzip_static on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Rival:
    """What another way to serve the same costs.

    `gzip_ms` and `plain_ms` are wall time of a scrape, `cpu_ms` the CPU of a plain one, all
    medians; `resident_mb` is its memory after them, `peak_mb` the most it had.
    """

    gzip_ms: float
    plain_ms: float
    cpu_ms: float
    resident_mb: float
    peak_mb: float


async def measure_naive(world: World, *, runs: int) -> Rival:
    """prometheus-client, as it is usually used; a scrape is a poll, too."""
    port = free_port()
    url = f"{world.api_url}/accounts/{ACCOUNT_ID}/zt_risk_scoring/summary"
    command = [sys.executable, "-m", "bench.naive", str(port), url, TOKEN]
    log = world.folder / "naive.log"
    # There is no page to see it by that costs nothing: any answer to HEAD would be a scrape.
    ready_url = f"http://127.0.0.1:{port}/favicon.ico"
    async with run_program(
        command, log=log, ready_url=ready_url, within_seconds=_START_SECONDS
    ) as process:
        return await _measure(Running(port, process.pid), runs=runs)


async def measure_nginx(folder: Path, *, plain: bytes, gzip: bytes, runs: int) -> Rival | None:
    """nginx, serving the same bytes from files."""
    async with run_nginx(folder, plain=plain, gzip=gzip) as running:
        return None if running is None else await _measure(running, runs=runs)


@asynccontextmanager
async def run_nginx(folder: Path, *, plain: bytes, gzip: bytes) -> AsyncIterator[Running | None]:
    """Have nginx serve a scrape as OpenMetrics from files in `folder`; None where it is missing."""
    program = _find("nginx", package="nginx")
    if program is None:
        yield None
        return
    port = free_port()
    (folder / "metrics").write_bytes(plain)
    (folder / "metrics.gz").write_bytes(gzip)
    (folder / "ready").write_text("")
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port))
    async with _server([program, "-c", str(config)], port, folder / "nginx.log") as running:
        yield running


async def measure_go(folder: Path, *, text: bytes, runs: int) -> Rival | None:
    """client_golang, with the same gauges and counters; `text` is a scrape in the text format."""
    program = _built_go()
    if program is None:
        return None
    port = free_port()
    path = folder / "metrics.txt"
    path.write_bytes(text)
    async with _server([str(program), str(port), str(path)], port, folder / "go.log") as running:
        return await _measure(running, runs=runs)


async def _measure(running: Running, *, runs: int) -> Rival:
    plain_ms: list[float] = []
    cpu_ms = []
    for _ in range(runs):
        began = cpu_seconds(running.pid)
        plain_ms += await scrape_ms(running.port, gzip=False, runs=1)
        cpu_ms.append((cpu_seconds(running.pid) - began) * 1e3)
    gzip_ms = await scrape_ms(running.port, gzip=True, runs=runs)
    return Rival(
        gzip_ms=median(gzip_ms),
        plain_ms=median(plain_ms),
        cpu_ms=median(cpu_ms),
        resident_mb=resident_megabytes(running.pid),
        peak_mb=peak_megabytes(running.pid),
    )


@asynccontextmanager
async def _server(command: Sequence[str], port: int, log: Path) -> AsyncIterator[Running]:
    ready_url = f"http://127.0.0.1:{port}/ready"
    async with run_program(
        command, log=log, ready_url=ready_url, within_seconds=_START_SECONDS
    ) as process:
        yield Running(port, process.pid)


@cache
def _built_go() -> Path | None:
    """The Go exporter, compiled from Debian's packages as GOPATH; None where they are missing."""
    go = _find("go", package=_GO_PACKAGES)
    if go is None:
        return None
    if not _GO_CLIENT.is_dir():
        _tell_missing("client_golang", package=_GO_PACKAGES)
        return None
    folder = Path(tempfile.gettempdir()) / "cloudflare-risk-exporter-bench-go"
    program = folder / "exporter"
    own = {"GO111MODULE": "off", "GOPATH": str(_GO_PATH), "GOCACHE": str(folder / "cache")}
    subprocess.run([go, "build", "-o", program, _GO_SOURCE], env={**os.environ, **own}, check=True)
    return program


@cache
def _find(name: str, *, package: str) -> str | None:
    # Debian leaves /usr/sbin out of the PATH of everybody but root; nginx is there.
    found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if found is None:
        _tell_missing(name, package=package)
    return found


def _tell_missing(name: str, *, package: str) -> None:
    print(f"Not compared with {name}, which is missing: apt-get install {package}", flush=True)
