"""The backfill command in real processes: exit statuses and output."""

import asyncio
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.commands import Ending, run_command, run_in_shell
from tests.support.road import Cloudflare, run_simulation
from tests.support.simulator import ADA, still_account
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow


@asynccontextmanager
async def simulated(folder: Path, **keys: Json) -> AsyncIterator[Cloudflare]:
    """Run a simulation in which only Ada is listed, with two events and no new ones."""
    scenario: Mapping[str, object] = {"accounts": [still_account()], **keys}
    path = write_yaml(folder / "scenario.yaml", scenario)  # type: ignore[arg-type]
    async with run_simulation("--scenario", str(path)) as (_, cloudflare):
        yield cloudflare


async def backfill(cloudflare: Cloudflare, *flags: str, **environ: str) -> Ending:
    """Run the command to its end."""
    environ = {"RISK_EXPORTER_STATE": "memory:", **cloudflare.environ, **environ}
    return await run_command("backfill", *flags, **environ)


def user_ids(text: str) -> set[str]:
    """Return the ids of all users that have a series."""
    return set(re.findall(r'user_id="([^"]+)"', text))


async def test_the_document_goes_to_stdout_and_messages_to_stderr(
    tmp_path: Path,
) -> None:
    """The document can be piped; neither contains an email or a name."""
    async with simulated(tmp_path) as cloudflare:
        ending = await backfill(cloudflare)
    assert ending.status == 0, ending.err
    assert ending.out.startswith("# HELP ")
    assert ending.out.endswith("# EOF\n")
    assert user_ids(ending.out) == {ADA}
    assert ": 2 events, " in ending.err
    assert "note: the data ends less than three hours ago" in ending.err
    assert not any(word in ending.out + ending.err for word in ("@", "Ada", "Lovelace"))


async def test_a_document_that_ends_early_enough_has_no_warning(tmp_path: Path) -> None:
    """Ada's events are one and two hours old, so the document has none, which is reported."""
    async with simulated(tmp_path) as cloudflare:
        ending = await backfill(cloudflare, "--until", "3h")
    assert ending.status == 0
    assert "note:" not in ending.err
    assert ": 0 events, " in ending.err


async def test_what_was_read_is_written_and_the_rest_is_reported(tmp_path: Path) -> None:
    """A user whom the API cannot return must not cost the history of the others."""
    fault: Json = {"kind": "error", "status": 403, "operation": "user"}
    path = tmp_path / "past.om"
    async with simulated(tmp_path, faults=[fault]) as cloudflare:
        ending = await backfill(cloudflare, "--output", str(path))
    account = cloudflare.environ["CLOUDFLARE_ACCOUNT_ID"]
    assert ending.status == 1
    assert f"failed: {account}: 1 users not read (forbidden)" in ending.err
    assert path.read_text().endswith("# EOF\n")


async def test_nothing_is_written_if_nothing_was_read(tmp_path: Path) -> None:
    """An empty document would mean that there were no events."""
    path = tmp_path / "past.om"
    path.write_text("old")
    async with simulated(tmp_path) as cloudflare:
        ending = await backfill(cloudflare, "--output", str(path), CLOUDFLARE_API_TOKEN="wrong")
    assert ending.status == 1
    assert "not read (unauthorized)" in ending.err
    assert path.read_text() == "old"


async def test_the_state_is_not_opened(tmp_path: Path) -> None:
    """An exporter may be using it."""
    state = tmp_path / "state.db"
    async with simulated(tmp_path) as cloudflare:
        await backfill(cloudflare, RISK_EXPORTER_STATE=f"sqlite:{state}")
    assert not state.exists()


async def test_pseudonyms_are_those_of_the_metrics(tmp_path: Path) -> None:
    """They are made with the key in the state of the exporter."""
    settings = {
        "RISK_EXPORTER_STATE": f"sqlite:{tmp_path / 'state.db'}",
        "RISK_EXPORTER_IDENTITY": "pseudonym",
    }
    async with simulated(tmp_path) as cloudflare:
        past = await backfill(cloudflare, **settings)
        now = await run_command("once", **cloudflare.environ, **settings)
    assert user_ids(past.out) == user_ids(now.out)
    assert len(user_ids(past.out) - {ADA}) == 1


async def test_a_terminal_shows_progress(tmp_path: Path) -> None:
    """Reading takes long; a log file gets no progress bar."""
    terminal, its_end = pty.openpty()
    async with simulated(tmp_path) as cloudflare:
        command = (sys.executable, "-m", "exporter", "backfill")
        await asyncio.to_thread(
            subprocess.run,
            [*command, "--output", str(tmp_path / "past.om")],
            stderr=its_end,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "RISK_EXPORTER_STATE": "memory:"}
            | dict(cloudflare.environ),
            check=True,
        )
        written_to_a_file = await backfill(cloudflare)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    os.close(its_end)
    assert "/1" in shown  # of one user
    assert "/1" not in written_to_a_file.err


async def test_the_reader_may_close_the_pipe_early(tmp_path: Path) -> None:
    """`backfill | head` is a common first use."""
    async with simulated(tmp_path) as cloudflare:
        pipe = await asyncio.create_subprocess_shell(
            f"set -o pipefail; {sys.executable} -m exporter backfill --step 1s | head -n 1",
            executable="/bin/bash",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "RISK_EXPORTER_STATE": "memory:"}
            | dict(cloudflare.environ),
        )
        out, err = await pipe.communicate()
    assert out.startswith(b"# HELP ")
    assert b"Traceback" not in err
    assert pipe.returncode == 0


@pytest.mark.parametrize("words", ["> /dev/full", "--output /dev/full"])
async def test_a_full_disk_does_not_lose_what_was_read(words: str, tmp_path: Path) -> None:
    """Reading a large account takes hours."""
    (tmp_path / "temporary").mkdir()
    async with simulated(tmp_path) as cloudflare:
        ending = await run_in_shell(
            f"$EXPORTER backfill {words}",
            TMPDIR=str(tmp_path / "temporary"),
            RISK_EXPORTER_STATE="memory:",
            **cloudflare.environ,
        )
    assert ending.status == 1
    assert "Traceback" not in ending.err
    (kept,) = (tmp_path / "temporary").iterdir()
    assert f"No space left on device; the whole document is in {kept}; " in ending.err
    assert kept.read_text().endswith("# EOF\n")
    assert ": 2 events, " in ending.err
