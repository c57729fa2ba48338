"""What is loaded from a state file after commits."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.risk.ledger import AccountRecord, Changes, EventMark, Ledger, NameRecord, UserRecord
from exporter.risk.model import EventCount, RiskLevel, UserSummary
from exporter.store import open_sqlite
from tests.support.states import (
    ACCOUNT,
    EMAIL,
    NAME,
    changes_of_every_kind,
    contents,
    user_record,
)

LOW = RiskLevel.LOW


async def _reloaded(path: Path, *commits: Changes) -> Ledger:
    """Return the ledger that a second process loads after a first one committed these changes."""
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        for changes in commits:
            await store.commit(ACCOUNT, changes)
    async with open_sqlite(path) as store:
        return await store.load(ACCOUNT, now=999.0)


def _all_bytes(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.iterdir())


def _applied(*commits: Changes) -> Ledger:
    ledger = Ledger(AccountRecord(created=1.0))
    for changes in commits:
        ledger.apply(changes)
    return ledger


async def test_all_that_was_committed_is_loaded_again(tmp_path: Path) -> None:
    """A restart with state continues."""
    changes = changes_of_every_kind()

    ledger = await _reloaded(tmp_path / "state.db", changes)

    assert contents(ledger) == contents(_applied(changes), as_kept=True)


async def test_marks_outlive_the_process(tmp_path: Path) -> None:
    """Without them each event would count again after a restart."""
    changes = changes_of_every_kind()
    await _reloaded(tmp_path / "state.db", changes)

    async with open_sqlite(tmp_path / "state.db") as store:
        assert await store.load_marks(ACCOUNT, "ann") == changes.marks["ann"]


async def test_the_pseudonym_key_outlives_the_process(tmp_path: Path) -> None:
    """Pseudonyms are labels, and a new key would start new series for every user."""
    async with open_sqlite(tmp_path / "state.db") as store:
        key = await store.pseudonym_key()

    async with open_sqlite(tmp_path / "state.db") as store:
        assert await store.pseudonym_key() == key


async def test_an_account_without_a_record_was_created_at_its_first_load(tmp_path: Path) -> None:
    """The behaviors may be committed before the first summary."""
    ledger = await _reloaded(tmp_path / "state.db", Changes(names={"A": NameRecord("a", "A")}))

    assert ledger.account == AccountRecord(created=1.0)


async def test_an_account_record_stays_if_changes_have_none(tmp_path: Path) -> None:
    """Only changes are written."""
    ledger = await _reloaded(
        tmp_path / "state.db",
        Changes(account=AccountRecord(created=1.0, baseline_at=2.0, resets=3)),
        Changes(users={"ann": user_record("ann")}),
    )

    assert ledger.account == AccountRecord(created=1.0, baseline_at=2.0, resets=3)


async def test_new_counter_values_replace_old_ones(tmp_path: Path) -> None:
    """This holds for counters of the account and of users."""
    commits = []
    for count in (1, 2):
        entries = (EventCount("a", LOW, 1, 1.0), EventCount("b", LOW, count, 1.0))
        totals = {(entry.behavior, entry.level): entry for entry in entries}
        levels = {(LOW, RiskLevel.HIGH): count}
        users = {"ann": UserRecord(events=entries)}
        commits.append(Changes(users=users, totals=totals, level_changes=levels))

    ledger = await _reloaded(tmp_path / "state.db", *commits)

    assert contents(ledger) == contents(_applied(*commits))


async def test_a_user_no_longer_listed_is_loaded_without_a_summary(tmp_path: Path) -> None:
    """The other columns are unchanged."""
    listed = user_record("ann")
    gone = UserRecord(details_at=5.0, events=listed.events)

    ledger = await _reloaded(
        tmp_path / "state.db", Changes(users={"ann": listed}), Changes(users={"ann": gone})
    )

    assert contents(ledger) == contents(_applied(Changes(users={"ann": gone})), as_kept=True)


async def test_neither_email_nor_name_reaches_the_disk(tmp_path: Path) -> None:
    """A stolen disk must not identify users."""
    path = tmp_path / "state.db"
    renamed = {"ann": user_record("ann")}
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, changes_of_every_kind())
        await store.commit(ACCOUNT, Changes(renamed=renamed))
        files = _all_bytes(tmp_path)

    assert b"imp_travel" in files
    assert EMAIL.encode() not in files
    assert NAME.encode() not in files


async def test_a_change_of_name_alone_writes_nothing(tmp_path: Path) -> None:
    """Names are exposed but not stored."""
    ledger = await _reloaded(tmp_path / "state.db", Changes(renamed={"ann": user_record("ann")}))

    assert ledger.users == {}


async def test_a_huge_event_count_is_stored_as_the_largest_integer(
    tmp_path: Path,
) -> None:
    """It must not fail the commit; the next poll sees a change."""
    record = user_record("ann", event_count=10**30)

    ledger = await _reloaded(tmp_path / "state.db", Changes(users={"ann": record}))

    summary = ledger.users["ann"].summary
    assert summary is not None
    assert summary.event_count == 2**63 - 1


async def test_only_the_rows_of_changed_users_are_written(tmp_path: Path) -> None:
    """The cost depends on what changed: the log holds a few pages, not the table."""
    path = tmp_path / "state.db"
    everybody = {f"user {number}": user_record(f"user {number}") for number in range(5_000)}
    await _reloaded(path, Changes(users=everybody))

    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        changed = user_record("user 2500", event_count=3)
        await store.commit(ACCOUNT, Changes(users={"user 2500": changed}))
        log_bytes = (tmp_path / "state.db-wal").stat().st_size

    assert log_bytes <= 5 * 4_200


async def test_other_programs_can_read_a_file_in_use(tmp_path: Path) -> None:
    """Operators back it up without stopping the exporter."""
    path = tmp_path / "state.db"
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(ACCOUNT, changes_of_every_kind())
        backup, source = sqlite3.connect(tmp_path / "backup.db"), sqlite3.connect(path)
        source.backup(backup)
        source.close()
        backup.close()

    async with open_sqlite(tmp_path / "backup.db") as store:
        ledger = await store.load(ACCOUNT, now=1.0)
    assert contents(ledger) == contents(_applied(changes_of_every_kind()), as_kept=True)


async def test_deleting_marks_reads_only_absent_events(tmp_path: Path) -> None:
    """A million present events are not read."""
    async with open_sqlite(tmp_path / "state.db"):
        connection = sqlite3.connect(tmp_path / "state.db")
        plan = connection.execute(
            "EXPLAIN QUERY PLAN DELETE FROM marks WHERE gone_at < 1.0"
        ).fetchall()
        connection.close()

    assert "marks_gone" in plan[0][3]


# Any value ----------------------------------------------------------------------------------

# All of Unicode and more: NUL, quotes and halves of surrogate pairs are texts to Python.
_texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
_instants = st.floats(allow_nan=False, allow_infinity=False)
_levels = st.sampled_from(RiskLevel)
_counts = st.integers(0, 2**63 - 1)
_entries = st.builds(EventCount, _texts, _levels, _counts, _instants)
_summaries = st.builds(
    UserSummary, st.just(""), st.just(""), st.just(""), _counts, _instants, _levels
)
_records = st.builds(
    UserRecord,
    summary=st.none() | _summaries,
    counted_after=st.none() | _instants,
    last_reset=st.none() | _instants,
    details_at=st.none() | _instants,
    due_since=st.none() | _instants,
    events=st.lists(
        _entries, max_size=3, unique_by=lambda entry: (entry.behavior, entry.level)
    ).map(tuple),
)


def _with_own_ids(records: dict[str, UserRecord]) -> dict[str, UserRecord]:
    return {
        who: record
        if (summary := record.summary) is None
        else UserRecord(
            UserSummary(who, "", "", summary.event_count, summary.last_event, summary.level),
            record.counted_after,
            record.last_reset,
            record.details_at,
            record.due_since,
            0,
            record.events,
        )
        for who, record in records.items()
    }


_changes = st.builds(
    Changes,
    account=st.none() | st.builds(AccountRecord, _instants, st.none() | _instants, _counts),
    users=st.dictionaries(_texts, _records, max_size=3).map(_with_own_ids),
    totals=st.lists(_entries, max_size=3).map(
        lambda entries: {(entry.behavior, entry.level): entry for entry in entries}
    ),
    level_changes=st.dictionaries(st.tuples(_levels, _levels), _counts, max_size=3),
    names=st.dictionaries(_texts, st.builds(NameRecord, st.none() | _texts, _texts), max_size=3),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(_changes, min_size=1, max_size=4))
def test_any_values_are_loaded_exactly(commits: list[Changes]) -> None:
    """Ids may be any text, and times are exact to the bit."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = asyncio.run(_reloaded(Path(folder) / "state.db", *commits))

    assert contents(ledger) == contents(_applied(*commits))


_marks = st.dictionaries(
    st.binary(max_size=16),
    st.none() | st.builds(EventMark, _counts, st.none() | _instants),
    max_size=4,
)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.dictionaries(_texts, _marks, max_size=3), min_size=1, max_size=4))
def test_any_marks_are_loaded_exactly(
    commits: list[dict[str, dict[bytes, EventMark | None]]],
) -> None:
    """The last change of each key counts."""
    expected: dict[str, dict[bytes, EventMark | None]] = {}
    for users in commits:
        for who, marks in users.items():
            expected.setdefault(who, {}).update(marks)

    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_reloaded_marks(Path(folder) / "state.db", commits, expected.keys()))

    assert found == {
        who: {key: mark for key, mark in marks.items() if mark is not None}
        for who, marks in expected.items()
    }


async def _reloaded_marks(
    path: Path, commits: list[dict[str, dict[bytes, EventMark | None]]], users: Iterable[str]
) -> dict[str, dict[bytes, EventMark]]:
    await _reloaded(path, *(Changes(marks=marks) for marks in commits))
    async with open_sqlite(path) as store:
        return {who: dict(await store.load_marks(ACCOUNT, who)) for who in users}


@pytest.mark.parametrize("number", [-1, 5])
async def test_a_stored_level_that_is_not_known_is_loaded_as_unknown(
    tmp_path: Path, number: int
) -> None:
    """Older versions wrote -1 for an unknown level; newer ones may know more levels."""
    path = tmp_path / "state.db"
    entry = EventCount("a", RiskLevel.HIGH, 3, 1.0)
    user = UserSummary("ann", "", "", 3, 50.0, RiskLevel.HIGH)
    async with open_sqlite(path) as store:
        await store.load(ACCOUNT, now=1.0)
        await store.commit(
            ACCOUNT,
            Changes(
                users={"ann": UserRecord(summary=user, events=(entry,))},
                totals={("a", RiskLevel.HIGH): entry},
                level_changes={(RiskLevel.HIGH, LOW): 2},
            ),
        )
    _renumber(path, RiskLevel.HIGH, number)

    async with open_sqlite(path) as store:
        ledger = await store.load(ACCOUNT, now=2.0)
        unknown = EventCount("a", RiskLevel.UNKNOWN, 3, 1.0)
        assert ledger.users["ann"].level is RiskLevel.UNKNOWN
        assert ledger.users["ann"].events == (unknown,)
        assert ledger.totals == {("a", RiskLevel.UNKNOWN): unknown}
        assert ledger.level_changes == {(RiskLevel.UNKNOWN, LOW): 2}
        grown = replace(unknown, count=4)
        await store.commit(
            ACCOUNT,
            Changes(
                users={"ann": UserRecord(events=(grown,))},
                totals={("a", RiskLevel.UNKNOWN): grown},
                level_changes={(RiskLevel.UNKNOWN, LOW): 3},
            ),
        )

    async with open_sqlite(path) as store:
        ledger = await store.load(ACCOUNT, now=3.0)
    assert ledger.users["ann"].events == (grown,)
    assert ledger.totals == {("a", RiskLevel.UNKNOWN): grown}
    assert ledger.level_changes == {(RiskLevel.UNKNOWN, LOW): 3}


def _renumber(path: Path, level: RiskLevel, number: int) -> None:
    """Replace the number of a level in every row, as another version would have written it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (
            "UPDATE users SET level = ? WHERE level = ?",
            "UPDATE user_totals SET level = ? WHERE level = ?",
            "UPDATE totals SET level = ? WHERE level = ?",
            "UPDATE level_changes SET from_level = ? WHERE from_level = ?",
        ):
            connection.execute(statement, (number, level.value))
