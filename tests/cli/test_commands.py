"""The commands as a user meets them: real processes, real sockets, exit statuses."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.commands import run_command, running_command
from tests.support.processes import free_port

pytestmark = pytest.mark.slow

NAMES = ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "RISK_EXPORTER_API_URL"]
ANY_PORT = ("--listen", "127.0.0.1:0")


def files_in(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return list(folder.iterdir())


async def scrape(line: str) -> str:
    """Return the metrics at the address a demo told to open."""
    url = next(word for word in line.split() if word.endswith("/metrics"))
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).text


async def test_simulate_prints_what_a_second_terminal_needs() -> None:
    """The output of `simulate` can be pasted, or evaluated, as it is."""
    async with running_command("simulate", "--users", "5") as simulate:
        await simulate.read_until("RISK_EXPORTER_API_URL=")
        assert [line.split("=")[0] for line in simulate.lines] == NAMES
        ending = await simulate.stop()
    assert ending.status == 0


async def test_the_same_seed_makes_the_same_account() -> None:
    """Dashboards and alerts tried against a simulated account can be tried again."""
    seen = []
    for _ in range(2):
        async with running_command("simulate", "--users", "5", "--seed", "7") as simulate:
            await simulate.read_until("CLOUDFLARE_ACCOUNT_ID=")
            seen.append(simulate.assignments["CLOUDFLARE_ACCOUNT_ID"])
    assert seen[0] == seen[1]


async def test_simulate_takes_a_scenario_file(tmp_path: Path) -> None:
    """Fixed ids, several accounts and faults are said there."""
    path = tmp_path / "scenario.yaml"
    path.write_text(
        f"accounts: [{{name: acme, account_id: {'a' * 32}, users: 3}}, {{name: other}}]"
    )
    async with running_command("simulate", "--scenario", str(path)) as simulate:
        await simulate.read_until("# account other: ")
        assert simulate.assignments["CLOUDFLARE_ACCOUNT_ID"] == "a" * 32


async def test_once_prints_the_metrics_of_the_account_it_is_pointed_at() -> None:
    """Two variables and a URL are all that `serve` and `once` need."""
    async with running_command("simulate", "--users", "50") as simulate:
        await simulate.read_until("RISK_EXPORTER_API_URL=")
        once = await run_command("once", RISK_EXPORTER_STATE="memory:", **simulate.assignments)
    account = simulate.assignments["CLOUDFLARE_ACCOUNT_ID"]
    assert once.status == 0, once.err
    assert f'cloudflare_zt_risk_up{{account="{account}"}} 1' in once.out


async def test_once_fails_where_a_resource_cannot_be_read() -> None:
    """A cron job must see it; what could be read is still printed."""
    async with running_command("simulate", "--users", "5") as simulate:
        await simulate.read_until("RISK_EXPORTER_API_URL=")
        given = {**simulate.assignments, "CLOUDFLARE_API_TOKEN": "wrong"}
        once = await run_command("once", RISK_EXPORTER_STATE="memory:", **given)
    account = simulate.assignments["CLOUDFLARE_ACCOUNT_ID"]
    assert once.status == 1
    assert "failed: " in once.err
    assert f'cloudflare_zt_risk_up{{account="{account}"}} 0' in once.out


async def test_a_reader_of_once_may_leave_early() -> None:
    """`once | head` is how people look at it; that is no failure and no traceback."""
    async with running_command("simulate", "--users", "2000") as simulate:
        await simulate.read_until("RISK_EXPORTER_API_URL=")
        pipe = await asyncio.create_subprocess_shell(
            f"set -o pipefail; {sys.executable} -m exporter once --log-level error | head -n 1",
            executable="/bin/bash",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "RISK_EXPORTER_STATE": "memory:"}
            | dict(simulate.assignments),
        )
        out, err = await pipe.communicate()
    assert out.startswith(b"# HELP ")
    assert err == b""
    assert pipe.returncode == 0


async def test_demo_serves_the_simulated_risk_and_says_where() -> None:
    """One command, no account, no network beyond this machine."""
    async with running_command("demo", *ANY_PORT, "--users", "20") as demo:
        line = await demo.read_until("# Open http://127.0.0.1:")
        await demo.read_until("RISK_EXPORTER_API_URL=")
        assert "cloudflare_zt_risk_up" in await scrape(line)
        assert list(demo.assignments) == NAMES
        ending = await demo.stop()
    assert ending.status == 0, ending.err


async def test_a_demo_ignores_the_proxies_of_the_environment() -> None:
    """A proxy cannot reach this machine's loopback, where the simulated API is."""
    dead = f"http://127.0.0.1:{free_port()}"
    proxies = {"HTTP_PROXY": dead, "HTTPS_PROXY": dead}
    async with running_command("demo", *ANY_PORT, "--users", "5", **proxies) as demo:
        line = await demo.read_until("# Open http://127.0.0.1:")
        while 'cloudflare_zt_risk_up{account="demo"} 1' not in (page := await scrape(line)):
            assert "summary" in page


async def test_a_demo_touches_nothing_that_is_exported_for_the_real_exporter(
    tmp_path: Path,
) -> None:
    """Simulated users must not get into the real state, nor the real token into a demo."""
    exported = {
        "RISK_EXPORTER_STATE": f"sqlite:{tmp_path / 'real.db'}",
        "RISK_EXPORTER_API_URL": "http://127.0.0.1:9/nobody",
        "RISK_EXPORTER_CONFIG": str(tmp_path / "none.yaml"),
        "CLOUDFLARE_API_TOKEN_FILE": str(tmp_path / "none"),
        "CLOUDFLARE_ACCOUNT_ID": "f" * 32,
    }
    async with running_command("demo", *ANY_PORT, "--users", "5", **exported) as demo:
        line = await demo.read_until("# Open ")
        assert "f" * 32 not in await scrape(line)
    assert files_in(tmp_path) == []


async def test_logs_go_to_stderr_as_the_operator_wants_them() -> None:
    """Standard output is for programs that read it."""
    async with running_command("demo", *ANY_PORT, "--log-format", "json") as demo:
        await demo.read_until("RISK_EXPORTER_API_URL=")
        ending = await demo.stop()
    events = [json.loads(line) for line in ending.err.splitlines()]
    assert "server.started" in [event["event"] for event in events]
    assert demo.assignments["CLOUDFLARE_API_TOKEN"] not in ending.err


@pytest.mark.parametrize("command", ["demo", "simulate"])
async def test_a_taken_address_is_told_in_one_line(command: str) -> None:
    """A second exporter on one machine is the likeliest cause, and a flag the cure."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ending = await run_command(command, "--listen", address)
    assert ending.status == 1
    assert f"cannot listen on {address}" in ending.err
    assert "Traceback" not in ending.err
