"""The wheel: what somebody gets who has no checkout."""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from exporter import __version__
from tests.support.processes import free_port, run_program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)


async def run(*command: str | Path, folder: Path) -> str:
    """Run a program in `folder` to its good end; what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def install_wheel(folder: Path) -> Path:
    """Build the wheel and install it, as README says, in an empty environment; its programs."""
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT)
    await run(*build, folder=folder)
    wheel = folder / f"cloudflare_risk_exporter-{__version__}-py3-none-any.whl"
    await run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    programs = folder / "venv" / "bin"
    pip = (programs / "python", "-m", "pip", "install", "--quiet")
    await run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock", folder=folder)
    await run(*pip, "--no-deps", wheel, folder=folder)
    await run(programs / "python", "-m", "pip", "check", folder=folder)
    return programs


def pinned(text: str) -> set[str]:
    """Return the names of the distributions that a requirements file pins, normalised."""
    return {match.lower().replace("_", "-") for match in PIN.findall(text)}


async def test_the_wheel_runs_with_what_the_lock_file_names_and_nothing_else(
    tmp_path: Path,
) -> None:
    """A forgotten dependency, or a file left out of the wheel, shows only far from the checkout."""
    programs = await install_wheel(tmp_path)
    command = programs / "cloudflare-risk-exporter"
    freeze = (programs / "python", "-m", "pip", "freeze", "--exclude", "cloudflare-risk-exporter")
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert pinned(await run(*freeze, folder=tmp_path)) <= pinned(locked)
    version = await run(command, "--version", folder=tmp_path)
    assert version == f"cloudflare-risk-exporter {__version__}\n"
    url = f"http://127.0.0.1:{free_port()}"
    listen = ("--listen", url.removeprefix("http://"))
    async with (
        run_program(
            [command, "demo", *listen], log=tmp_path / "demo.log", ready_url=f"{url}/-/ready"
        ),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        metrics = (await client.get(f"{url}/metrics")).text
    assert 'cloudflare_zt_risk_up{account="demo"} 1\n' in metrics
