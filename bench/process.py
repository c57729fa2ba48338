"""What another process has used: CPU and memory, as Linux counts them."""

import asyncio
import ctypes
import os
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
