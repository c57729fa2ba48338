"""How commands end where the output or the person goes away: exit statuses and messages."""

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from tests.support.commands import run_command, run_in_shell, running_command
from tests.support.pointing import pointed_at
from tests.support.simulator import ADA, still_scenario, talk_to_simulator
from tests.support.terminal import run_at_terminal

pytestmark = pytest.mark.slow

FULL = "standard output: cannot be written: No space left on device"


@pytest.mark.parametrize(
    "words",
    ["users list", "users list --json", f"users show {ADA}", "behaviors list", "check", "once"],
)
async def test_a_full_disk_is_an_error_message(words: str) -> None:
    """A script that keeps the output in a file must see that the file is cut short."""
    async with talk_to_simulator(still_scenario()) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": "memory:"}
        ending = await run_in_shell(f"$EXPORTER {words} --log-level error > /dev/full", **environ)
    assert (ending.status, ending.err.splitlines()) == (1, [f"cloudflare-risk-exporter: {FULL}"])


@pytest.mark.parametrize("words", ["--help", "users list --help", "--version", "simulate"])
async def test_a_full_disk_is_an_error_message_without_an_account_too(words: str) -> None:
    """Help is output like any other."""
    ending = await run_in_shell(f"$EXPORTER {words} > /dev/full")
    assert ending.status == 1
    assert FULL in ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize("words", ["users list", "once"])
async def test_a_closed_standard_output_is_an_error_message(words: str) -> None:
    """As a supervisor may leave it."""
    async with talk_to_simulator(still_scenario()) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": "memory:"}
        ending = await run_in_shell(f"$EXPORTER {words} >&-", **environ)
    assert ending.status == 1
    assert "standard output: is closed" in ending.err
    assert "Traceback" not in ending.err


async def test_a_closed_standard_error_leaves_standard_output_clean() -> None:
    """Failures that have nowhere to go must not get into the document."""
    async with talk_to_simulator(still_scenario()) as talk:
        environ = {**pointed_at(talk.simulator), "RISK_EXPORTER_STATE": "memory:"}
        ending = await run_in_shell(
            "$EXPORTER once 2>&-", **{**environ, "CLOUDFLARE_API_TOKEN": "wrong"}
        )
    assert ending.status == 1
    begins = ("# HELP ", "# TYPE ", "cloudflare_zt_risk_", "process_", "python_")
    assert [line for line in ending.out.splitlines() if not line.startswith(begins)] == []
    assert "cloudflare_zt_risk_up" in ending.out


@pytest.mark.parametrize("words", ["--help", "users list --help", "users list"])
async def test_a_closed_pipe_ends_quietly(words: str) -> None:
    """`| head` has read enough; that is no failure."""
    async with talk_to_simulator(still_scenario()) as talk:
        ending = await run_in_shell(f"$EXPORTER {words} | true", **pointed_at(talk.simulator))
    assert (ending.status, ending.err) == (0, "")


async def test_ctrl_c_at_a_question_is_130_and_changes_nothing() -> None:
    """As shells spell the end by SIGINT, so that a script stops, too."""
    async with talk_to_simulator(still_scenario()) as talk:
        environ = pointed_at(talk.simulator)
        screen = await run_at_terminal(
            "users", "reset", ADA, interrupted_at="Continue? [y/N]", **environ
        )
        _, summary = await talk.get("/summary")
    assert screen.status == 130
    assert "Traceback" not in screen.shown
    assert ADA in str(summary)


@pytest.mark.parametrize("words", [("users", "list"), ("once",), ("check",), ("backfill",)])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_work_that_a_signal_ends_is_not_done(
    words: tuple[str, ...], how: signal.Signals
) -> None:
    """130 after Ctrl-C, 143 after SIGTERM, as shells spell it: a script must not go on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        environ = {
            "CLOUDFLARE_API_TOKEN": "token",
            "CLOUDFLARE_ACCOUNT_ID": "a" * 32,
            "RISK_EXPORTER_API_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "RISK_EXPORTER_STATE": "memory:",
        }
        async with running_command(*words, **environ) as command:
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            with connection:
                ending = await command.stop(how)
    assert ending.status == 128 + how, ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize(
    ("words", "last_line"),
    [(("demo", "--users", "5"), "# Ctrl-C"), (("simulate", "--users", "5"), "# Paste")],
)
async def test_a_signal_ends_the_demo_and_the_simulator(
    words: tuple[str, ...], last_line: str, how: signal.Signals, status: int
) -> None:
    """They run until a signal, as `serve` does, and end with the same statuses."""
    async with running_command(*words, "--listen", "127.0.0.1:0") as command:
        await command.read_until(last_line)
        ending = await command.stop(how)
    assert ending.status == status, ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize("command", ["demo", "simulate", "serve"])
async def test_an_address_that_cannot_be_had_is_a_failure_that_may_pass(
    command: str, tmp_path: Path
) -> None:
    """A supervisor that gives up on wrong configuration (status 2) must try this again."""
    environ = {
        "CLOUDFLARE_API_TOKEN": "token",
        "CLOUDFLARE_ACCOUNT_ID": "a" * 32,
        "RISK_EXPORTER_API_URL": "http://127.0.0.1:9",
        "RISK_EXPORTER_STATE": f"sqlite:{tmp_path / 'state.db'}",
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "192.0.2.1", "no-such-host.invalid"):
            ending = await run_command(command, "--listen", f"{host}:{port}", **environ)
            assert f"cannot listen on {host}:{port}" in ending.err
            assert (ending.status, "Traceback" in ending.err) == (1, False)
