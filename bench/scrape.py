"""A scrape over loopback, as a client sees it, against nginx serving the same bytes from a file."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from bench.report import Row
from tests.support.processes import free_port, run_program
from tests.support.programs import require_program

_RUNS = 40
_CHURN_RUNS = 150  # enough for a 99th percentile to mean something
_OPENMETRICS = "application/openmetrics-text;version=1.0.0"
_NGINX_CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    sendfile on;
    gzip_static on;
    keepalive_requests 100000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def run(sizes: Sequence[int]) -> list[Row]:
    """Measure at each number of users."""
    return [row for size in sizes for row in asyncio.run(_measure(size))]


async def _measure(size: int) -> list[Row]:
    with _public_folder() as folder:
        async with _exporter(size, folder) as port:
            ours = {gzip: await _seconds(port, gzip=gzip) for gzip in (True, False)}
            for gzip, file_name in ((True, "metrics.gz"), (False, "metrics")):
                (folder / file_name).write_bytes(await asyncio.to_thread(_body, port, gzip=gzip))
        async with _exporter(size, folder, "--churn") as port:
            churned = await _seconds(port, gzip=True, runs=_CHURN_RUNS)
        async with _nginx(folder) as port:
            theirs = {gzip: await _seconds(port, gzip=gzip) for gzip in (True, False)}
    return [
        _row("scrape over HTTP, gzip", size, ours[True], theirs[True], goal="<= 2 x nginx"),
        _row("scrape over HTTP, plain", size, ours[False], theirs[False]),
        Row(
            "scrape p99 while 1 % change every second",
            size,
            quantiles(churned, n=100)[98] * 1e3,
            "ms",
            goal="<= 50 ms",
        ),
    ]


@contextmanager
def _public_folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers are another user
        yield folder


def _row(
    what: str, size: int, ours: Sequence[float], theirs: Sequence[float], goal: str = ""
) -> Row:
    nginx_ms = median(theirs) * 1e3
    return Row(what, size, median(ours) * 1e3, "ms", goal, baseline=nginx_ms, against="nginx")


@asynccontextmanager
async def _exporter(size: int, folder: Path, *options: str) -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.scrape_server", str(size), str(port), *options]
    ready_url = f"http://127.0.0.1:{port}/-/ready"
    log = folder / "exporter.log"
    async with run_program(command, log=log, ready_url=ready_url, within_seconds=120):
        yield port


@asynccontextmanager
async def _nginx(folder: Path) -> AsyncIterator[int]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port))
    (folder / "ready").write_text("")
    command: list[str | Path] = [require_program("nginx"), "-c", config]
    ready_url = f"http://127.0.0.1:{port}/ready"
    async with run_program(command, log=folder / "nginx.log", ready_url=ready_url):
        yield port


async def _seconds(port: int, *, gzip: bool, runs: int = _RUNS) -> list[float]:
    """Each of several scrapes, a tenth of a second apart; the first few are not counted."""
    seconds = []
    for _ in range(runs + 3):
        seconds.append(await asyncio.to_thread(_time_scrape, port, gzip=gzip))
        await asyncio.sleep(0.1)
    return seconds[3:]


def _time_scrape(port: int, *, gzip: bool) -> float:
    """Seconds from sending a request to the last byte, which is thrown away like the others."""
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(_request(gzip=gzip))
        head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
        left = _content_length(head) - len(body)
        while left:
            left -= connection.recv_into(buffer)
        return time.perf_counter() - began


def _body(port: int, *, gzip: bool) -> bytes:
    """The body of one scrape, as it is sent."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_request(gzip=gzip))
        head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
        pieces, left = [body], _content_length(head) - len(body)
        while left:
            pieces.append(connection.recv(1 << 20))
            left -= len(pieces[-1])
    return b"".join(pieces)


def _request(*, gzip: bool) -> bytes:
    encoding = "Accept-Encoding: gzip\r\n" if gzip else ""
    lines = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {_OPENMETRICS}\r\n{encoding}"
    return f"{lines}\r\n".encode()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise AssertionError("the answer says no length")
