"""What a poll costs the ledger and the state file, and how large that file grows.

The baseline keeps the users as one JSON file, written whole and synced at each commit; it does
without the marks of their events.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import median

import msgspec

from bench.population import Population
from bench.report import AtMost, Row
from bench.seeding import joined
from exporter.risk.ledger import (
    AccountRecord,
    Changes,
    EventMark,
    Ledger,
    SummaryFold,
    UserRecord,
    observe_details,
)
from exporter.risk.ledger.names import event_key
from exporter.risk.model import (
    LISTED_LEVELS,
    RiskEvent,
    SummaryReading,
    UserDetails,
    UserRow,
    UserSummary,
)
from exporter.store import Store, open_sqlite

_ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
_BEHAVIORS = ("Impossible travel", "High number of DLP violations", "SentinelOne")
_SHARES = {"0 %": 0.0, "1 %": 0.01, "100 %": 1.0}
_RUNS = {"0 %": 5, "1 %": 5, "100 %": 1}
_COMMIT_GOALS = {"1 %": AtMost(100, "ms")}
_JSON = "all users as one JSON file"


def run(sizes: Sequence[int]) -> list[Row]:
    """Measure at each number of users."""
    rows: list[Row] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows += asyncio.run(_measure(size, Path(folder)))
    return rows


@dataclass(frozen=True, slots=True)
class _Step:
    """What one poll cost: CPU in the ledger, and the time until its changes were durable."""

    cpu_ms: float
    commit_ms: float


class _Account:
    """An account of a given size, all of whose users appeared after its baseline."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.ledger = Ledger(AccountRecord(created=0.0))
        self._population = Population(size)
        self._now = 1.0

    def begin(self) -> Changes:
        """Read everything there is; all that a store has to keep of it."""
        users = self._population.snapshot().users.values()
        for reading in (SummaryReading(()), self._reading()):
            self.ledger.apply(self._fold(reading))
        found = [self._observe(row.user_id, _details(row), {}) for row in users]
        return Changes(
            account=self.ledger.account,
            users=self.ledger.users,
            totals=self.ledger.totals,
            level_changes=self.ledger.level_changes,
            names=self.ledger.names,
            marks=joined(found).marks,
        )

    async def step(self, share: float, store: Store) -> _Step:
        """One more event for a share of the users: a summary, their details, one commit."""
        changed = self._population.change(round(self.size * share))
        reading, users = self._reading(), self._population.snapshot().users
        asked = [(who, _details(users[who]), self._marks_before(users[who])) for who in changed]
        began = time.process_time()
        summary = self._fold(reading)
        self.ledger.apply(summary)
        found = [self._observe(who, details, marks) for who, details, marks in asked]
        cpu_ms = (time.process_time() - began) * 1e3
        changes = joined([summary, *found])
        began = time.perf_counter()
        if changes.must_be_stored:
            await store.commit(_ACCOUNT, changes)
        return _Step(cpu_ms, (time.perf_counter() - began) * 1e3)

    def _reading(self) -> SummaryReading:
        rows = self._population.snapshot().users.values()
        return SummaryReading(tuple(_summary(row) for row in rows))

    def _fold(self, reading: SummaryReading) -> Changes:
        self._now += 60.0
        fold = SummaryFold(self.ledger, now=self._now)
        fold.add(reading)
        return fold.finish()

    def _observe(
        self, user_id: str, details: UserDetails, marks: Mapping[bytes, EventMark]
    ) -> Changes:
        changes = observe_details(self.ledger, user_id, details, marks, now=self._now)
        self.ledger.apply(changes)
        return changes

    def _marks_before(self, row: UserRow) -> dict[bytes, EventMark]:
        """What the store would give: the marks of all of a user's events but the newest."""
        events = _details(row).events[:-1]
        return {event_key(event, self.ledger.names): EventMark(1) for event in events}


async def _measure(size: int, folder: Path) -> list[Row]:
    account, path = _Account(size), folder / "state.db"
    rows = await _size_rows(account.begin(), path)
    async with _loaded(path) as store:
        for name, share in _SHARES.items():
            steps = [await account.step(share, store) for _ in range(_RUNS[name])]
            rows += _step_rows(name, account, steps, folder / "state.json")
    return [*rows, *await _start_rows(size, path, folder / "state.json")]


async def _size_rows(changes: Changes, path: Path) -> list[Row]:
    """Commit users and marks apart, to see the room of each; the marks as they come in life."""
    size = len(changes.users)
    user_ids = list(changes.marks)
    Random(1).shuffle(user_ids)
    async with _loaded(path) as store:
        await store.commit(_ACCOUNT, replace(changes, marks={}))
    without_marks = _size(path)
    async with _loaded(path) as store:
        for start in range(0, size, 1_000):
            marks = {who: changes.marks[who] for who in user_ids[start : start + 1_000]}
            await store.commit(_ACCOUNT, Changes(marks=marks))
    events = sum(len(marks) for marks in changes.marks.values())
    per_event = (_size(path) - without_marks) / events
    return [
        Row("file, a user", size, (without_marks / size,), "bytes", AtMost(600, "bytes")),
        Row("file, an event", size, (per_event,), "bytes", AtMost(60, "bytes")),
    ]


@asynccontextmanager
async def _loaded(path: Path) -> AsyncIterator[Store]:
    async with open_sqlite(path) as store:
        await store.load(_ACCOUNT, now=0.0)
        yield store


def _step_rows(name: str, account: _Account, steps: Sequence[_Step], json_file: Path) -> list[Row]:
    naive_ms = median(_write_json_ms(account.ledger, json_file) for _ in steps)
    cpu_ms = tuple(step.cpu_ms for step in steps)
    commit_ms = tuple(step.commit_ms for step in steps)
    goal = _COMMIT_GOALS.get(name)
    commit = f"commit, {name} changed"
    return [
        Row(f"ledger, {name} changed, CPU", account.size, cpu_ms, "ms"),
        Row(commit, account.size, commit_ms, "ms", goal, naive_ms, _JSON),
    ]


async def _start_rows(size: int, path: Path, json_file: Path) -> list[Row]:
    """Opening includes the check for damage, whose cost is that of reading the file."""
    began = time.perf_counter()
    async with open_sqlite(path) as store:
        opened_ms = (time.perf_counter() - began) * 1e3
        began = time.perf_counter()
        await store.load(_ACCOUNT, now=0.0)
        loaded_ms = (time.perf_counter() - began) * 1e3
        megabytes = _size(path) / 1e6
    naive_ms = _read_json_ms(json_file)
    return [
        Row(f"open and check {megabytes:,.0f} MB", size, (opened_ms,), "ms"),
        Row("load", size, (loaded_ms,), "ms", AtMost(2_000, "ms"), naive_ms, _JSON),
    ]


def _write_json_ms(ledger: Ledger, path: Path) -> float:
    began = time.perf_counter()
    with path.open("wb") as file:
        file.write(msgspec.json.encode(ledger.users))
        file.flush()
        os.fsync(file.fileno())
    return (time.perf_counter() - began) * 1e3


def _read_json_ms(path: Path) -> float:
    began = time.perf_counter()
    msgspec.json.decode(path.read_bytes(), type=dict[str, UserRecord])
    return (time.perf_counter() - began) * 1e3


def _size(path: Path) -> int:
    return path.stat().st_size


def _summary(row: UserRow) -> UserSummary:
    return UserSummary(
        row.user_id, row.email, row.name, row.current_events, row.last_event, row.level
    )


def _details(row: UserRow) -> UserDetails:
    """As many events as the row says; the same ones however many have come since."""
    events = tuple(
        RiskEvent(
            f"{row.user_id}/{number}",
            _BEHAVIORS[number % len(_BEHAVIORS)],
            LISTED_LEVELS[number % len(LISTED_LEVELS)],
            1_700_000_000.0 + number,
        )
        for number in range(row.current_events)
    )
    return UserDetails(row.email, row.name, events)
