"""What the other tests stand on."""

import os
import stat
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.programs import PACKAGES, require_program


def put_program(folder: Path, name: str, script: str) -> None:
    """Put a shell script into `folder` that can be run as `name`."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def put_apt_get(folder: Path, script: str) -> None:
    """An apt-get that says what it was asked, and for which `put` installs promtool."""
    put_program(
        folder,
        "apt-get",
        f"""PATH=/usr/bin:/bin; cd {folder}; echo "$@" >> calls
        put() {{ touch promtool; chmod +x promtool; }}
        {script}""",
    )


@pytest.fixture
def other_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but one empty folder, which nobody but us can see."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(programs, "_LOCK", tmp_path / "lock")
    monkeypatch.setattr(programs, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs._install.cache_clear()
    return tmp_path


def test_a_program_on_path_is_taken_from_there(other_path: Path) -> None:
    """A newer Prometheus can be put before Debian's by PATH alone."""
    put_program(other_path, "prometheus", "exit 0")
    assert require_program("prometheus") == other_path / "prometheus"


def test_debian_s_name_of_a_program_is_found_too(other_path: Path) -> None:
    """Debian calls alertmanager prometheus-alertmanager."""
    put_program(other_path, "prometheus-alertmanager", "exit 0")
    assert require_program("alertmanager") == other_path / "prometheus-alertmanager"


def test_a_missing_program_is_skipped_with_the_way_to_get_it(
    other_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person without root must still be able to run the other tests."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install prometheus "):
        require_program("promtool")


def test_a_missing_program_fails_in_ci(other_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A law nobody checks is no law."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install prometheus "):
        require_program("promtool")


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
    """The machine's owner must be able to start services again."""
    put_apt_get(other_path, "put")
    require_program("promtool")
    assert not (other_path / "policy-rc.d").exists()


def test_every_program_has_a_package() -> None:
    """A misspelt name must fail here and not as a skip."""
    with pytest.raises(KeyError):
        require_program("promethues")
    assert all(PACKAGES.values())
