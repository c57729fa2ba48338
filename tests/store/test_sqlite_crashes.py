"""Processes that are killed at any time."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.risk.ledger import EventMark
from exporter.store import open_sqlite
from tests.support.states import ACCOUNT

WRITER = """
import asyncio, sys
from pathlib import Path
from exporter.risk.ledger import AccountRecord, Changes, EventMark
from exporter.risk.model import EventCount, RiskLevel
from exporter.store import open_sqlite
from tests.support.states import ACCOUNT, user_record

async def write():
    async with open_sqlite(Path(sys.argv[1])) as store:
        ledger = await store.load(ACCOUNT, now=1.0)
        number = ledger.account.resets
        while True:
            number += 1
            await store.commit(ACCOUNT, Changes(
                account=AccountRecord(1.0, 2.0, number),
                users={f"user {i}": user_record(f"user {i}", event_count=number)
                       for i in range(number % 300)},
                totals={("b", RiskLevel.LOW): EventCount("b", RiskLevel.LOW, number, 1.0)},
                marks={"ann": {number.to_bytes(16, "big"): EventMark(1)}},
            ))
            print(number, flush=True)

asyncio.run(write())
"""


def _run_and_kill(path: Path, *, after_commits: int, after_seconds: float) -> int:
    """Run the writer and kill it; return the number of the last commit it reported, or 0.

    It is killed `after_seconds` after its `after_commits`th commit, or after its start.
    """
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after_commits)]
        time.sleep(after_seconds)  # the instant of death is what varies here
        process.kill()
        lines += process.stdout.read().split()
    return int(lines[-1]) if lines else 0


@pytest.mark.slow
async def test_a_killed_process_leaves_complete_commits_and_all_reported_ones(
    tmp_path: Path,
) -> None:
    """A commit is atomic, and durable before it returns.

    The first kills interrupt the creation of the file, the others commits, of which there are
    enough on a machine of any speed.
    """
    path = tmp_path / "state.db"
    dice = random.Random(3)
    told = 0
    for kill in range(30):
        if kill < 15:
            last = _run_and_kill(
                path, after_commits=0, after_seconds=dice.uniform(0.05, 0.25 + kill / 30)
            )
        else:
            last = _run_and_kill(path, after_commits=8, after_seconds=dice.uniform(0.0, 0.05))
        told = max(told, last)
        async with open_sqlite(path) as store:
            ledger = await store.load(ACCOUNT, now=1.0)
            marks = await store.load_marks(ACCOUNT, "ann")
        number = ledger.account.resets
        assert number >= told
        assert [entry.count for entry in ledger.totals.values()] == [number] * bool(number)
        assert marks == {n.to_bytes(16, "big"): EventMark(1) for n in range(1, number + 1)}
    assert told > 100
