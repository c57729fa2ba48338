"""What every store promises, whatever its medium."""

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
    """A store of each kind, which has heard of the account."""
    async with _open(request.param, tmp_path) as opened:
        await opened.load(ACCOUNT, now=1.0)
        yield opened


async def test_an_account_unheard_of_begins_now(store: Store) -> None:
    """The counters' creation is when counting began."""
    ledger = await store.load("another account", now=7.5)

    assert ledger.account.created == 7.5
    assert ledger.account.baseline_at is None
    assert contents(ledger)["users"] == {}


async def test_a_user_unheard_of_has_no_marks(store: Store) -> None:
    """Then every event is new."""
    assert await store.load_marks(ACCOUNT, "nobody") == {}


async def test_marks_are_remembered_by_account_and_user(store: Store) -> None:
    """The same event may be told of two users, and two accounts may have the same user."""
    await store.load("globex", now=1.0)
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(2, gone_at=3.5)}}))
    await store.commit("globex", Changes(marks={"ann": {OTHER: EventMark(1)}}))

    assert await store.load_marks(ACCOUNT, "ann") == {KEY: EventMark(2, gone_at=3.5)}
    assert await store.load_marks("globex", "ann") == {OTHER: EventMark(1)}
    assert await store.load_marks(ACCOUNT, "bob") == {}


async def test_a_mark_committed_again_replaces_the_one_before(store: Store) -> None:
    """Changes hold new values, not differences."""
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(2, gone_at=3.5)}}))
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(3)}}))

    assert await store.load_marks(ACCOUNT, "ann") == {KEY: EventMark(3)}


async def test_a_mark_committed_as_none_is_forgotten(store: Store) -> None:
    """Also one that was never there: a repeated commit forgets twice."""
    await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: EventMark(1), OTHER: EventMark(1)}}))
    for _ in range(2):
        await store.commit(ACCOUNT, Changes(marks={"ann": {KEY: None}}))

    assert await store.load_marks(ACCOUNT, "ann") == {OTHER: EventMark(1)}


async def test_committing_the_same_changes_twice_is_committing_them_once(store: Store) -> None:
    """A commit whose outcome is not known is repeated."""
    changes = changes_of_every_kind()
    await store.commit(ACCOUNT, changes)
    once = contents(await store.load(ACCOUNT, now=1.0))
    await store.commit(ACCOUNT, changes)

    assert contents(await store.load(ACCOUNT, now=1.0)) == once
    assert await store.load_marks(ACCOUNT, "ann") == changes.marks["ann"]


async def test_marks_gone_before_an_instant_are_forgotten(store: Store) -> None:
    """Not those that went at it, after it, or not at all; and only in that account."""
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


async def test_forgetting_in_an_account_unheard_of_does_nothing(store: Store) -> None:
    """The housekeeping of an account may run before its first commit."""
    await store.forget_marks("nobody's", gone_before=100.0)

    assert await store.load_marks("nobody's", "ann") == {}


async def test_the_pseudonym_key_stays_the_same(store: Store) -> None:
    """Pseudonyms would change with it."""
    key = await store.pseudonym_key()

    assert len(key) == 32
    assert await store.pseudonym_key() == key


@pytest.mark.parametrize("medium", ["memory", "sqlite"])
async def test_pseudonym_keys_differ_between_states(medium: str, tmp_path: Path) -> None:
    """Otherwise a pseudonym here would give away the one there."""
    (tmp_path / "other").mkdir()
    async with _open(medium, tmp_path) as one, _open(medium, tmp_path / "other") as another:
        assert await one.pseudonym_key() != await another.pseudonym_key()


async def test_closing_twice_does_no_harm(store: Store) -> None:
    """Whoever opened it closes it again on the way out."""
    await store.close()
    await store.close()
