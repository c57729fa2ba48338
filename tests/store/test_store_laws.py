"""The behavior that every store has."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from exporter.risk.ledger import Changes, EventMark
from exporter.store import Store, open_store
from tests.support.states import ACCOUNT, changes_of_every_kind, contents

KEY, OTHER = b"k" * 16, b"o" * 16


def _open(medium: str, folder: Path) -> AbstractAsyncContextManager[Store]:
    return open_store(None if medium == "memory" else folder / "state.db")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Open a store of each kind in which the account was loaded."""
    async with _open(request.param, tmp_path) as opened:
        await opened.load(ACCOUNT, now=1.0)
        yield opened


async def test_an_unknown_account_is_created_now(store: Store) -> None:
    """The creation of counters is when counting began."""
    ledger = await store.load("another account", now=7.5)

    assert ledger.account.created == 7.5
    assert ledger.account.baseline_at is None
    assert contents(ledger)["users"] == {}


async def test_an_unknown_user_has_no_marks(store: Store) -> None:
    """All their events are new."""
    assert await store.load_marks(ACCOUNT, "nobody") == {}


async def test_marks_are_stored_by_account_and_user(store: Store) -> None:
    """Two users may have the same event, and two accounts the same user."""
    await store.load("globex", now=1.0)
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(2, gone_at=3.5)}}))
    await store.commit("globex", Changes(marks={"ann": {OTHER: EventMark(1)}}))

    assert await store.load_marks(ACCOUNT, "ann") == {KEY: EventMark(2, gone_at=3.5)}
    assert await store.load_marks("globex", "ann") == {OTHER: EventMark(1)}
    assert await store.load_marks(ACCOUNT, "bob") == {}


async def test_a_mark_replaces_the_previous_one(store: Store) -> None:
    """Changes hold new values, not differences."""
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(2, gone_at=3.5)}}))
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(3)}}))

    assert await store.load_marks(ACCOUNT, "ann") == {KEY: EventMark(3)}


async def test_a_mark_committed_as_none_is_deleted(store: Store) -> None:
    """This includes unknown marks, because a commit may be repeated."""
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(1), OTHER: EventMark(1)}}))
    for _ in range(2):
        await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: None}}))

    assert await store.load_marks(ACCOUNT, "ann") == {OTHER: EventMark(1)}


async def test_commits_are_idempotent(store: Store) -> None:
    """A commit with an unknown result is repeated."""
    changes = changes_of_every_kind()
    await store.commit(ACCOUNT, changes)
    once = contents(await store.load(ACCOUNT, now=1.0))
    await store.commit(ACCOUNT, changes)

    assert contents(await store.load(ACCOUNT, now=1.0)) == once
    assert await store.load_marks(ACCOUNT, "ann") == changes.marks["ann"]


async def test_marks_absent_since_before_an_instant_are_deleted(store: Store) -> None:
    """Later ones, present ones and those of other accounts stay."""
    marks = {
        b"before": EventMark(1, gone_at=99.5),
        b"at": EventMark(1, gone_at=100.0),
        b"after": EventMark(1, gone_at=101.0),
        b"there": EventMark(1),
    }
    await store.load("globex", now=1.0)
    for account in (ACCOUNT, "globex"):
        await store.commit(account, Changes(marks={"ann": marks}))

    await store.forget_marks(ACCOUNT, gone_before=100.0)

    assert set(await store.load_marks(ACCOUNT, "ann")) == {b"at", b"after", b"there"}
    assert set(await store.load_marks("globex", "ann")) == set(marks)


async def test_deleting_marks_of_an_unknown_account_does_nothing(store: Store) -> None:
    """The clean-up of an account may run before its first commit."""
    await store.forget_marks("nobody's", gone_before=100.0)

    assert await store.load_marks("nobody's", "ann") == {}


async def test_the_pseudonym_key_stays_the_same(store: Store) -> None:
    """Pseudonyms would change with it."""
    key = await store.pseudonym_key()

    assert len(key) == 32
    assert await store.pseudonym_key() == key


@pytest.mark.parametrize("medium", ["memory", "sqlite"])
async def test_pseudonym_keys_differ_between_states(medium: str, tmp_path: Path) -> None:
    """Otherwise pseudonyms of two exporters could be matched."""
    (tmp_path / "other").mkdir()
    async with _open(medium, tmp_path) as one, _open(medium, tmp_path / "other") as another:
        assert await one.pseudonym_key() != await another.pseudonym_key()


async def test_closing_twice_does_no_harm(store: Store) -> None:
    """A context manager closes the store again."""
    await store.close()
    await store.close()
