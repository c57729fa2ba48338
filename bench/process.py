"""CPU and memory of another process, and a client of `/metrics` that costs little itself."""

import asyncio
import ctypes
import os
import socket
import time
from pathlib import Path

_IDLE_SECONDS = 1.2
"""The exporter may rest for a second between two publications; whoever is idle longer is done."""

_IDLE_SHARE = 0.02
_libc = ctypes.CDLL(None, use_errno=True)


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process since its start, to the nanosecond.

    /proc tells it in ticks of 10 ms, too coarse for a small poll; see clock_getcpuclockid(3).
    """
    clock = ctypes.c_int()
    error: int = _libc.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise ProcessLookupError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def resident_megabytes(pid: int) -> float:
    """Memory that is resident now, in units of 10^6 bytes."""
    return _status_megabytes(pid, "VmRSS:")


def peak_megabytes(pid: int) -> float:
    """The most that was ever resident: what a machine or a container must have room for."""
    return _status_megabytes(pid, "VmHWM:")


def _status_megabytes(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(f"process {pid} has no memory any more")


async def settle(pid: int) -> float:
    """Wait until a process has nothing to do; its CPU time then, in seconds."""
    used = cpu_seconds(pid)
    while True:
        await asyncio.sleep(_IDLE_SECONDS)
        before, used = used, cpu_seconds(pid)
        if used - before < _IDLE_SECONDS * _IDLE_SHARE:
            return used


_OPENMETRICS = "application/openmetrics-text;version=1.0.0"
_BUFFER_BYTES = 1 << 20
_PAUSE_SECONDS = 0.1
_UNCOUNTED = 3


async def scrape_ms(port: int, *, gzip: bool, runs: int) -> tuple[float, ...]:
    """Milliseconds of each of several scrapes, a tenth of a second apart.

    Some go before that are not counted, where there are to be more than a few.
    """
    uncounted = _UNCOUNTED if runs > _UNCOUNTED else 0
    taken = []
    for _ in range(runs + uncounted):
        taken.append(await asyncio.to_thread(time_scrape, port, gzip=gzip))
        await asyncio.sleep(_PAUSE_SECONDS)
    return tuple(taken[uncounted:])


def time_scrape(port: int, *, gzip: bool) -> float:
    """Milliseconds from sending a request to the end of its answer, which is thrown away."""
    buffer = bytearray(_BUFFER_BYTES)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(_request("/metrics", accept=_OPENMETRICS, gzip=gzip))
        received = connection.recv_into(buffer)
        _check(bytes(buffer[:received]))
        while connection.recv_into(buffer):
            pass
        return (time.perf_counter() - began) * 1e3


def read_metrics(
    port: int, *, gzip: bool = False, accept: str = _OPENMETRICS, family: str = ""
) -> bytes:
    """The body of a scrape, as it is sent; of one family alone, where one is named."""
    path = f"/metrics?name[]={family}" if family else "/metrics"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_request(path, accept=accept, gzip=gzip))
        pieces = []
        while piece := connection.recv(_BUFFER_BYTES):
            pieces.append(piece)
    answer = b"".join(pieces)
    _check(answer)
    return answer.partition(b"\r\n\r\n")[2]


def _request(path: str, *, accept: str, gzip: bool) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        f"Accept: {accept}",
        *(["Accept-Encoding: gzip"] if gzip else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _check(answer: bytes) -> None:
    """An error is quick to answer, and must not pass for a scrape."""
    status = answer.partition(b"\r\n")[0]
    if b" 200 " not in status:
        raise ConnectionError(f"not a scrape: {status.decode(errors='replace')}")
