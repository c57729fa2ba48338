"""One account in the exposition: renders the changes of a snapshot as runs of compressed parts.

The event loop runs between two chunks, and a thread compresses. The result is a new value, so that
scrapes in progress keep reading the old one.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.catalogue import RISK_METRICS, USER_FAMILIES, account_families
from exporter.chunked import Pause, in_chunks
from exporter.exposition.parts import EMPTY_RUN, Run, deflate_both, run_both
from exporter.exposition.render import Formats, SampleRenderer
from exporter.exposition.users import (
    Chunk,
    ChunkRenderer,
    Users,
    apply_edits,
    chunk_count,
    chunk_index,
)
from exporter.risk.model import AccountSnapshot, UserRow

_NO_RUNS = dict.fromkeys((metric.name for metric in RISK_METRICS), Formats(EMPTY_RUN, EMPTY_RUN))


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """The approximate number of users per chunk, and whether counters have `_created` series."""

    chunk_users: int
    created_shown: bool


@dataclass(frozen=True, slots=True)
class RenderedAccount:
    """A rendered account: `runs` by metric name, for every risk metric."""

    identity_shown: bool = False
    created_shown: bool = False
    chunks: tuple[Chunk, ...] = (Chunk(),)
    runs: Mapping[str, Formats[Run]] = field(default_factory=lambda: _NO_RUNS)


async def render_account(
    before: RenderedAccount,
    snapshot: AccountSnapshot,
    *,
    changed: Collection[str] | None,
    pause: Pause,
    settings: RenderSettings,
) -> RenderedAccount:
    """Return `before` updated to `snapshot`, of whose users only those in `changed` may differ.

    None means that all may differ and that the snapshot has all users.
    """
    chunks, placed = await _lay_out(
        before, snapshot, changed=changed, pause=pause, settings=settings
    )
    renderer = ChunkRenderer(
        snapshot.account,
        identity_shown=snapshot.identity_shown,
        created_shown=settings.created_shown,
    )
    chunks = await _render_chunks(chunks, placed, renderer=renderer, pause=pause)
    runs = {
        **_NO_RUNS,
        **_account_runs(snapshot, created_shown=settings.created_shown),
        **await _user_runs(chunks, pause=pause),
    }
    return RenderedAccount(snapshot.identity_shown, settings.created_shown, chunks, runs)


async def _lay_out(
    before: RenderedAccount,
    snapshot: AccountSnapshot,
    *,
    changed: Collection[str] | None,
    pause: Pause,
    settings: RenderSettings,
) -> tuple[tuple[Chunk, ...], Mapping[int, Users]]:
    """Return the chunks to begin with, and the users of those that may differ.

    The chunks are new and empty if few of their lines would stay.
    """
    chunks, users = before.chunks, snapshot.users
    wanted_users = settings.chunk_users
    size = len(users)
    if changed is not None:
        size = await _size_after(users, changed, chunks=chunks, pause=pause)
    count = chunk_count(size, now=len(chunks), wanted_users=wanted_users)
    has_same_families = (before.identity_shown, before.created_shown) == (
        snapshot.identity_shown,
        settings.created_shown,
    )
    if not has_same_families or count != len(chunks):
        empty = (Chunk(),) * count
        if changed is None:
            return empty, await _place_all(users, count=count, pause=pause)
        return empty, await _place_again(users, changed, chunks=chunks, count=count, pause=pause)
    if changed is None:
        return chunks, await _place_all(users, count=count, pause=pause)
    return chunks, await _place_changed(users, changed, chunks=chunks, pause=pause)


async def _size_after(
    users: Users, changed: Iterable[str], *, chunks: Sequence[Chunk], pause: Pause
) -> int:
    """Return how many users are shown after `changed`."""
    size = sum(len(chunk.users) for chunk in chunks)
    for user_ids in in_chunks(changed):
        for user_id in user_ids:
            was_shown = user_id in chunks[chunk_index(user_id, count=len(chunks))].users
            size += (user_id in users) - was_shown
        await pause()
    return size


async def _place_all(users: Users, *, count: int, pause: Pause) -> Mapping[int, Users]:
    placed: dict[int, dict[str, UserRow]] = {index: {} for index in range(count)}
    for user_ids in in_chunks(users):
        for user_id in user_ids:
            placed[chunk_index(user_id, count=count)][user_id] = users[user_id]
        await pause()
    return placed


async def _place_again(
    users: Users,
    changed: Collection[str],
    *,
    chunks: Iterable[Chunk],
    count: int,
    pause: Pause,
) -> Mapping[int, Users]:
    """Place all users of `chunks` in `count` new ones, those in `changed` as they are now."""
    placed: dict[int, dict[str, UserRow]] = {index: {} for index in range(count)}
    for chunk in chunks:
        for user_id, row in chunk.users.items():
            placed[chunk_index(user_id, count=count)][user_id] = row
        await pause()
    for user_ids in in_chunks(changed):
        for user_id in user_ids:
            rows = placed[chunk_index(user_id, count=count)]
            if user_id in users:
                rows[user_id] = users[user_id]
            else:
                rows.pop(user_id, None)
        await pause()
    return placed


async def _place_changed(
    users: Users, changed: Iterable[str], *, chunks: Sequence[Chunk], pause: Pause
) -> Mapping[int, Users]:
    placed: dict[int, dict[str, UserRow]] = {}
    for user_ids in in_chunks(changed):
        for user_id in user_ids:
            index = chunk_index(user_id, count=len(chunks))
            if index not in placed:
                placed[index] = dict(chunks[index].users)
            rows = placed[index]
            if user_id in users:
                rows[user_id] = users[user_id]
            else:
                rows.pop(user_id, None)
        await pause()
    return placed


async def _render_chunks(
    before: Sequence[Chunk],
    placed: Mapping[int, Users],
    *,
    renderer: ChunkRenderer,
    pause: Pause,
) -> tuple[Chunk, ...]:
    chunks = list(before)
    for index, users in placed.items():
        chunk = chunks[index]
        edits = renderer.edits(chunk, users)
        if edits:
            chunks[index] = await asyncio.to_thread(apply_edits, chunk, users, edits)
        else:
            chunks[index] = Chunk(users, chunk.parts)
        await pause()
    return tuple(chunks)


async def _user_runs(chunks: Iterable[Chunk], *, pause: Pause) -> Mapping[str, Formats[Run]]:
    runs = {}
    for index, family in enumerate(USER_FAMILIES):
        runs[family.metric.name] = run_both([chunk.parts[index] for chunk in chunks])
        await pause()
    return runs


def _account_runs(snapshot: AccountSnapshot, *, created_shown: bool) -> Mapping[str, Formats[Run]]:
    runs = {}
    for family in account_families(snapshot):
        renderer = SampleRenderer(family.metric, snapshot.account, created_shown=created_shown)
        lines = renderer.render(family.samples)
        runs[family.metric.name] = run_both([deflate_both(lines)])
    return runs
