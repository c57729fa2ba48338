"""The thread of a store: order, cancellation and end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.errors import CommitError
from exporter.store import SqliteStore, open_sqlite
from tests.support.states import ACCOUNT, changes_of_every_kind


class Pause:
    """Blocks the thread of a store until `end`."""

    def __init__(self, store: SqliteStore) -> None:
        self._over = threading.Event()
        self._began = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(store._worker.run(self._wait))

    def _wait(self) -> None:
        self._loop.call_soon_threadsafe(self._began.set)
        self._over.wait()

    async def began(self) -> None:
        """Return once the thread is blocked."""
        await self._began.wait()

    async def end(self) -> None:
        """Unblock the thread."""
        self._over.set()
        await self._task


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open a state file in which the account was loaded."""
    async with open_sqlite(tmp_path / "state.db") as opened:
        await opened.load(ACCOUNT, now=1.0)
        yield opened


async def _cancelled_commit(store: SqliteStore) -> None:
    """Start a commit while the thread is blocked, and cancel the task that awaits it."""
    pause = Pause(store)
    await pause.began()
    commit = asyncio.ensure_future(store.commit(ACCOUNT, changes_of_every_kind()))
    await asyncio.sleep(0)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    await pause.end()


async def test_a_slow_disk_does_not_block_the_event_loop(store: SqliteStore) -> None:
    """A scrape never waits for a disk."""
    pause = Pause(store)
    await pause.began()
    commit = asyncio.ensure_future(store.commit(ACCOUNT, changes_of_every_kind()))
    for _ in range(100):
        await asyncio.sleep(0)

    assert not commit.done()
    await pause.end()
    await commit


async def test_a_commit_does_not_use_the_default_executor(store: SqliteStore) -> None:
    """Name lookups and compression may use all of its threads."""
    busy = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        blocker = asyncio.ensure_future(asyncio.to_thread(busy.wait))

        await store.commit(ACCOUNT, changes_of_every_kind())

        busy.set()
        await blocker


async def test_a_cancelled_commit_is_completed(store: SqliteStore) -> None:
    """A shutdown cancels polls, and what they counted is stored."""
    await _cancelled_commit(store)

    ledger = await store.load(ACCOUNT, now=1.0)

    assert ledger.account == changes_of_every_kind().account
    assert set(ledger.users) == {"ann", "bob"}


async def test_a_cancelled_commit_can_be_committed_again(store: SqliteStore) -> None:
    """After a cancellation the result is unknown."""
    await _cancelled_commit(store)
    once = await store.load(ACCOUNT, now=1.0)
    await store.commit(ACCOUNT, changes_of_every_kind())

    assert vars(await store.load(ACCOUNT, now=1.0)) == vars(once)


async def test_the_error_of_a_cancelled_commit_is_retrieved(tmp_path: Path) -> None:
    """Asyncio must not log it as never retrieved."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with open_sqlite(tmp_path / "state.db") as store:
        await store.load(ACCOUNT, now=1.0)
        (tmp_path / "state.db").rename(tmp_path / "elsewhere.db")
        await _cancelled_commit(store)
        with pytest.raises(CommitError):
            await store.commit(ACCOUNT, changes_of_every_kind())

    assert reported == []


async def test_closing_lets_a_commit_in_flight_finish(tmp_path: Path) -> None:
    """Submitted commits are on disk after closing."""
    async with open_sqlite(tmp_path / "state.db") as store:
        await store.load(ACCOUNT, now=1.0)
        pause = Pause(store)
        await pause.began()
        commit = asyncio.ensure_future(store.commit(ACCOUNT, changes_of_every_kind()))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        await pause.end()
        await closing
        await commit

    async with open_sqlite(tmp_path / "state.db") as store:
        ledger = await store.load(ACCOUNT, now=1.0)
    assert ledger.account == changes_of_every_kind().account


async def test_a_cancelled_close_is_completed(tmp_path: Path) -> None:
    """A second signal during the shutdown must not leave the state locked."""
    async with open_sqlite(tmp_path / "state.db") as store:
        pause = Pause(store)
        await pause.began()
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await pause.end()
        store._worker._executor.shutdown(wait=True)

    async with open_sqlite(tmp_path / "state.db"):
        pass


async def test_a_cancelled_opening_leaves_nothing_open(tmp_path: Path) -> None:
    """The start may be cancelled at any time."""

    async def open_and_close() -> None:
        async with open_sqlite(tmp_path / "state.db"):
            pass

    for turns in range(4):
        opening = asyncio.ensure_future(open_and_close())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    await open_and_close()


async def test_a_closed_store_rejects_commits(store: SqliteStore) -> None:
    """Using it is a bug, which must be visible."""
    await store.close()

    with pytest.raises(RuntimeError):
        await store.commit(ACCOUNT, changes_of_every_kind())


async def test_the_thread_ends_with_the_store(tmp_path: Path) -> None:
    """Reloads must not accumulate threads."""
    async with open_sqlite(tmp_path / "state.db") as store:
        executor = store._worker._executor
    executor.shutdown(wait=True)

    assert not [one for one in threading.enumerate() if one.name.startswith("state")]
