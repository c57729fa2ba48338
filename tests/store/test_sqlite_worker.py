"""The thread behind a state file: order, cancellation and the end."""

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
    """Holds up a store's thread until `end`."""

    def __init__(self, store: SqliteStore) -> None:
        self._over = threading.Event()
        self._began = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(store._worker.run(self._wait))

    def _wait(self) -> None:
        self._loop.call_soon_threadsafe(self._began.set)
        self._over.wait()

    async def began(self) -> None:
        """Return once the thread is held up."""
        await self._began.wait()

    async def end(self) -> None:
        """Let the thread go on."""
        self._over.set()
        await self._task


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A state file that has heard of the account."""
    async with open_sqlite(tmp_path / "state.db") as opened:
        await opened.load(ACCOUNT, now=1.0)
        yield opened


async def _cancelled_commit(store: SqliteStore) -> None:
    """Begin a commit while the thread is held up, and cancel the task that awaits it."""
    pause = Pause(store)
    await pause.began()
    commit = asyncio.ensure_future(store.commit(ACCOUNT, changes_of_every_kind()))
    await asyncio.sleep(0)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    await pause.end()


async def test_the_loop_goes_on_while_the_disk_does_not(store: SqliteStore) -> None:
    """A scrape never waits for a disk."""
    pause = Pause(store)
    await pause.began()
    commit = asyncio.ensure_future(store.commit(ACCOUNT, changes_of_every_kind()))
    for _ in range(100):
        await asyncio.sleep(0)

    assert not commit.done()
    await pause.end()
    await commit


async def test_a_commit_does_not_wait_for_the_loops_own_threads(store: SqliteStore) -> None:
    """Name lookups and compression share those, and may fill them."""
    busy = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        blocker = asyncio.ensure_future(asyncio.to_thread(busy.wait))

        await store.commit(ACCOUNT, changes_of_every_kind())

        busy.set()
        await blocker


async def test_a_cancelled_commit_is_done_all_the_same(store: SqliteStore) -> None:
    """At a shutdown the poll is cancelled in the middle; what it had counted is kept."""
    await _cancelled_commit(store)

    ledger = await store.load(ACCOUNT, now=1.0)

    assert ledger.account == changes_of_every_kind().account
    assert set(ledger.users) == {"ann", "bob"}


async def test_a_cancelled_commit_can_be_committed_again(store: SqliteStore) -> None:
    """Whoever goes on after a cancellation does not know how it ended."""
    await _cancelled_commit(store)
    once = await store.load(ACCOUNT, now=1.0)
    await store.commit(ACCOUNT, changes_of_every_kind())

    assert vars(await store.load(ACCOUNT, now=1.0)) == vars(once)


async def test_the_failure_of_a_cancelled_commit_is_nobodys(tmp_path: Path) -> None:
    """Asyncio must not report an error as forgotten that nobody was left to hear."""
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
    """What was handed over before the end is on disk after it."""
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


async def test_a_cancelled_closing_closes_all_the_same(tmp_path: Path) -> None:
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
    """The start may be given up at any instant."""

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


async def test_a_closed_store_takes_no_commits(store: SqliteStore) -> None:
    """Using it then is a bug, and must not pass in silence."""
    await store.close()

    with pytest.raises(RuntimeError):
        await store.commit(ACCOUNT, changes_of_every_kind())


async def test_the_thread_ends_with_the_store(tmp_path: Path) -> None:
    """A reload must not gather threads."""
    async with open_sqlite(tmp_path / "state.db") as store:
        executor = store._worker._executor
    executor.shutdown(wait=True)

    assert not [one for one in threading.enumerate() if one.name.startswith("state")]
