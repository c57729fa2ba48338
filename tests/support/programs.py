"""The other programs that tests run: where they are, and how they come onto this machine.

Debian's own packages are installed where that is allowed (root, with apt-get), so that a bare
machine passes every test. No service is started by it: the tests run their own, on ports and
in folders of their own.
"""

import ctypes
import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import pytest

PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "alertmanager": "prometheus-alertmanager",
        "amtool": "prometheus-alertmanager",
        "chromium": "chromium",
        "curl": "curl",
        "docker-compose": "docker-compose",
        "gzip": "gzip",
        "nginx": "nginx",
        "openssl": "openssl",
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "redis-server": "redis-server",
        "systemd-analyze": "systemd",
        "wrk": "wrk",
    }
)
"""Program -> the Debian package that has it."""

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"alertmanager": ("prometheus-alertmanager",)}
)
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
_LOCK = Path("/run/cloudflare-risk-exporter-tests.lock")
_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE = "#!/bin/sh\nexit 101\n"


def require_program(name: str) -> Path:
    """Where the program `name` is; installs its package first where that is allowed.

    Where the program cannot be had the test is skipped, saying how to get it; in CI (`CI` is
    set to `true`) it fails, because there a skipped test would be a law nobody checks.
    """
    found = _find(name)
    if found is not None:
        return found
    package = PACKAGES[name]
    obstacle = _install(package)
    found = _find(name)
    if found is None:
        _give_up(name, package, obstacle)
    return found


def require_library(name: str, *, package: str) -> None:
    """Have the shared library `name`; as with programs, its package is installed or told."""
    if _is_loadable(name):
        return
    obstacle = _install(package)
    if _is_loadable(name):
        return
    _give_up(name, package, obstacle)


def _is_loadable(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _give_up(name: str, package: str, obstacle: str | None) -> NoReturn:
    message = f"needs {name}: apt-get install {package} ({obstacle or 'it is not in there'})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _find(name: str) -> Path | None:
    # Debian leaves these out of the PATH of everybody but root; nginx is there.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
    for candidate in (name, *_OTHER_NAMES.get(name, ())):
        found = shutil.which(candidate, path=path)
        if found is not None:
            return Path(found)
    return None


@cache
def _install(package: str) -> str | None:
    """Install `package`; what stood in the way, or None. Tried once a process, good or bad."""
    if os.geteuid() != 0:
        return "not root"
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return "no apt-get here"
    with _one_at_a_time(), _services_stay_down():
        # The lists are fetched only where they are missing or too old: that costs seconds.
        return _run_install(apt_get, package) and (
            _run(apt_get, "update") or _run_install(apt_get, package)
        )


def _run_install(apt_get: str, package: str) -> str | None:
    return _run(apt_get, "install", "--yes", "--no-install-recommends", package)


def _run(apt_get: str, *arguments: str) -> str | None:
    """None where it went well, else the last line of what apt-get said."""
    done = subprocess.run(
        [apt_get, "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return None
    return (done.stdout.strip().splitlines() or ["apt-get failed"])[-1]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let parallel workers of pytest wait for each other; the lock ends with its holder."""
    with _LOCK.open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Tell the packages' scripts to start nothing, for as long as this lasts.

    Debian's own way (`policy-rc.d`, status 101): a started Prometheus or nginx would take
    ports and go on running after the tests. A policy that is there already is left alone.
    """
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICE, encoding="ascii")
    try:
        _POLICY.chmod(_POLICY.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        yield
    finally:
        _POLICY.unlink()
