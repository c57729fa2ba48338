"""Which programs tests find, skip over and install."""

import os
import re
import stat
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.programs import LIBRARIES, PACKAGES, require_library, require_program

ROOT = Path(__file__).parents[2]


def put_program(folder: Path, name: str, script: str) -> None:
    """Put a shell script into `folder` that can be run as `name`."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def put_apt_get(folder: Path, script: str) -> None:
    """Put an apt-get that writes its arguments to `calls`; `put` in its script installs promtool."""
    put_program(
        folder,
        "apt-get",
        f"""PATH=/usr/bin:/bin; cd {folder}; echo "$@" >> calls
        put() {{ touch promtool; chmod +x promtool; }}
        {script}""",
    )


@pytest.fixture
def other_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that is all of PATH, for root in CI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(programs, "_LOCK", tmp_path / "lock")
    monkeypatch.setattr(programs, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("CI", "true")
    return tmp_path


def test_a_program_on_path_is_taken_from_there(other_path: Path) -> None:
    """A newer Prometheus can be put before Debian's by PATH alone."""
    put_program(other_path, "prometheus", "exit 0")
    assert require_program("prometheus") == other_path / "prometheus"


def test_debian_s_name_of_a_program_is_found_too(other_path: Path) -> None:
    """Debian calls alertmanager prometheus-alertmanager."""
    put_program(other_path, "prometheus-alertmanager", "exit 0")
    assert require_program("alertmanager") == other_path / "prometheus-alertmanager"


@pytest.mark.parametrize("user", [0, 1000])
def test_a_missing_program_skips_with_the_command_that_installs_it(
    other_path: Path, monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    """Without CI nothing is installed, for root as little as for an ordinary user."""
    monkeypatch.delenv("CI")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    put_apt_get(other_path, "put")
    with pytest.raises(pytest.skip.Exception) as skipped:
        require_program("promtool")
    assert str(skipped.value) == (
        "needs promtool: sudo apt-get install --no-install-recommends prometheus"
    )
    assert not (other_path / "calls").exists()


def test_a_missing_library_skips_with_the_command_that_installs_it(
    other_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library is no program: it cannot be looked up on PATH."""
    monkeypatch.delenv("CI")
    monkeypatch.setattr(programs, "LIBRARIES", {"libnone.so.1": "libnone1"})
    with pytest.raises(pytest.skip.Exception, match=r"needs libnone\.so\.1: .* libnone1$"):
        require_library("libnone.so.1")


@pytest.mark.parametrize(("user", "obstacle"), [(0, "no apt-get here"), (1000, "not root")])
def test_a_missing_program_fails_in_ci(
    other_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, obstacle: str
) -> None:
    """In CI a skipped test would be a check that never runs."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(pytest.fail.Exception, match=f" prometheus \\({obstacle}\\)$"):
        require_program("promtool")


def test_a_failed_installation_is_tried_once(other_path: Path) -> None:
    """Dozens of tests need the same package, and each attempt costs seconds."""
    put_apt_get(other_path, "echo broken; exit 100")
    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match=r"\(broken\)$"):
            require_program("promtool")
    calls = (other_path / "calls").read_text().splitlines()
    assert len(calls) == 2, "an installation, and an update of the lists"


def test_a_failed_installation_does_not_leak_into_other_tests(
    other_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one apt-get could not do says nothing about another one."""
    put_apt_get(other_path, "exit 100")
    with pytest.raises(pytest.fail.Exception):
        require_program("promtool")
    working = other_path / "working"
    working.mkdir()
    put_apt_get(working, "put")
    monkeypatch.setenv("PATH", str(working))
    assert require_program("promtool") == working / "promtool"


def test_lists_of_packages_are_fetched_where_one_is_not_found(other_path: Path) -> None:
    """A fresh container has no lists of packages, and an old one has lists that are too old."""
    put_apt_get(other_path, 'case "$*" in *update*) touch lists ;; *) [ -e lists ] && put ;; esac')
    assert require_program("promtool") == other_path / "promtool"
    assert len((other_path / "calls").read_text().splitlines()) == 3


def test_no_service_is_started_by_installing(other_path: Path) -> None:
    """A started Prometheus would hold its port and outlive the tests."""
    put_apt_get(other_path, "./policy-rc.d prometheus start; echo $? > policy; put")
    require_program("promtool")
    assert (other_path / "policy").read_text() == "101\n"


def test_the_policy_on_services_is_gone_after_installing(other_path: Path) -> None:
    """Afterwards services must start again."""
    put_apt_get(other_path, "put")
    require_program("promtool")
    assert not (other_path / "policy-rc.d").exists()


def test_every_program_has_a_package() -> None:
    """A misspelt name must fail here and not skip a test."""
    with pytest.raises(KeyError):
        require_program("promethues")
    assert all(PACKAGES.values())


def test_contributing_installs_every_package_by_one_command() -> None:
    """The command is pasted; a package that it lacks leaves tests skipped."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = re.findall(
        r"^sudo apt-get install --no-install-recommends (.*)$", text, re.MULTILINE
    )
    assert command.split() == sorted({*PACKAGES.values(), *LIBRARIES.values()})
