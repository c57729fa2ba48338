"""The README's first command, `make demo`, in a new environment, and what it prints to try next."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter import __version__
from tests.support.commands import Running, running_command
from tests.support.processes import free_port
from tests.support.road import ASSIGNMENTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BARE = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
MAKE = {**os.environ, "MAKEFLAGS": ""}


def paste(lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run lines in a second terminal: a shell of its own that knows none of our variables."""
    return subprocess.run(
        ["/bin/bash"],
        input="\n".join(lines) + "\n",
        cwd=folder,
        env=BARE,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an environment that `make demo` has set up."""
    folder = tmp_path_factory.mktemp("first") / "venv"
    made = subprocess.run(
        ["make", f"VENV={folder}", "ARGS=--help", "demo"],
        cwd=ROOT,
        env=MAKE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@asynccontextmanager
async def run_make_demo(environment: Path) -> AsyncIterator[Running]:
    """Run `make demo`, and end it as Ctrl-C does: by a signal to the whole process group."""
    process = await asyncio.create_subprocess_exec(
        *("make", f"VENV={environment}", f"ARGS=--listen 127.0.0.1:{free_port()}", "demo"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=MAKE,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        await process.communicate()


async def test_what_make_demo_prints_works_in_a_second_terminal(environment: Path) -> None:
    """The commands that answer questions are one paste away, with the variables they need."""
    async with run_make_demo(environment) as demo:
        await demo.read_until("# Ctrl-C")
        pasted = await asyncio.to_thread(paste, demo.lines, ROOT)
    assert pasted.returncode == 0, pasted.stderr
    heading, *rows = pasted.stdout.splitlines()
    assert heading.split()[:3] == ["id", "email", "name"]
    assert any("@example." in row for row in rows)
    assert any(row.startswith("imp_travel ") for row in rows)
    assert any(row.startswith("token ") for row in rows)


async def test_the_demo_names_three_commands_beginning_with_users() -> None:
    """The first question is who is at risk."""
    async with running_command("demo", "--listen", "127.0.0.1:0", "--users", "5") as demo:
        await demo.read_until("# Ctrl-C")
    (export,) = (number for number, line in enumerate(demo.lines) if line.startswith("export "))
    commands = demo.lines[export + 1 : export + 4]
    assert demo.lines[export].split()[1:] == list(ASSIGNMENTS)
    assert [line.split(" ", 1)[1] for line in commands] == ["users list", "behaviors list", "check"]


def test_the_installed_command_runs_this_checkout_from_any_folder(
    environment: Path, tmp_path: Path
) -> None:
    """Also beside a folder that is named exporter, too."""
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter" / "__init__.py").write_text("raise SystemExit(9)", encoding="ascii")
    command = environment / "bin" / "cloudflare-risk-exporter"
    done = paste([f"{command} --version"], tmp_path)
    assert done.stdout == f"cloudflare-risk-exporter {__version__}\n", done.stderr
