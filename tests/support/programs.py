"""Find the other programs that tests run, and install their Debian packages in CI.

Packages are installed only where `CI` is `true` (which `make test-all` sets) and the user is
root. Everywhere else a test whose program is missing is skipped, and the message is the command
that installs it. The packages' services are not started: tests run their own, on free ports and
in temporary folders.
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

LIBRARIES: Mapping[str, str] = MappingProxyType({"libatomic.so.1": "libatomic1"})
"""Shared library -> the Debian package that has it."""

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"alertmanager": ("prometheus-alertmanager",)}
)
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")
_LOCK = Path("/run/cloudflare-risk-exporter-tests.lock")
_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE = "#!/bin/sh\nexit 101\n"


def require_program(name: str) -> Path:
    """Return the path of the program `name`, or skip the test that needs it.

    In CI (`CI` is `true`) root installs the program's package, and a program that is missing
    all the same fails the test.
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


def require_library(name: str) -> None:
    """Return if the shared library `name` can be loaded; otherwise act as `require_program`."""
    if _is_loadable(name):
        return
    package = LIBRARIES[name]
    obstacle = _install(package)
    if not _is_loadable(name):
        _give_up(name, package, obstacle)


def _is_loadable(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _is_ci() -> bool:
    return os.environ.get("CI") == "true"


def _give_up(name: str, package: str, obstacle: str | None) -> NoReturn:
    message = f"needs {name}: sudo apt-get install --no-install-recommends {package}"
    if _is_ci():
        pytest.fail(f"{message} ({obstacle or f'the package has no {name}'})")
    pytest.skip(message)


def _find(name: str) -> Path | None:
    # Debian puts these folders, where nginx is, on the PATH of root alone.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))
    for candidate in (name, *_OTHER_NAMES.get(name, ())):
        found = shutil.which(candidate, path=path)
        if found is not None:
            return Path(found)
    return None


def _install(package: str) -> str | None:
    """Install `package` where that is allowed; return the obstacle, or None."""
    if not _is_ci():
        return "CI is not true"
    if os.geteuid() != 0:
        return "not root"
    apt_get = shutil.which("apt-get")
    return "no apt-get here" if apt_get is None else _install_by(apt_get, package)


@cache
def _install_by(apt_get: str, package: str) -> str | None:
    """Install `package`; return the obstacle, or None. Tried once per process and `apt_get`."""
    with _one_at_a_time(), _services_stay_down():
        # The lists are fetched only where they are missing or too old: that costs seconds.
        return _run_install(apt_get, package) and (
            _run(apt_get, "update") or _run_install(apt_get, package)
        )


def _run_install(apt_get: str, package: str) -> str | None:
    return _run(apt_get, "install", "--yes", "--no-install-recommends", package)


def _run(apt_get: str, *arguments: str) -> str | None:
    """Return None on success, else the last line of apt-get's output."""
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
    """Serialize the parallel workers of pytest; the lock ends with the process that holds it."""
    with _LOCK.open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Keep the packages' scripts from starting services inside the block.

    Debian's `policy-rc.d` does it by status 101. A started Prometheus or nginx would take ports
    and outlive the tests. An existing policy is left alone.
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
