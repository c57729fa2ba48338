"""Run long work in chunks, so that other tasks run in between.

A function that may visit a hundred thousand users is a generator: it yields at every point
where it may be interrupted, and returns its result. It stays pure; its caller decides what happens between two
chunks.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Chunked: TypeAlias = Generator[None, None, T]
"""Work that yields between chunks and returns its result."""

Pause: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited between pieces of work of about a millisecond; it may return late."""

CHUNK_SIZE = 512
"""How many users are visited in one chunk, which takes about a millisecond."""


def run_sync(work: Chunked[T]) -> T:
    """Run all chunks without interruption, and return the result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


async def run_chunked(work: Chunked[T], pause: Pause) -> T:
    """Run all chunks, awaiting `pause` between them, and return the result.

    If cancelled, run the remaining chunks before propagating the cancellation.
    """
    try:
        while True:
            try:
                next(work)
            except StopIteration as end:
                result: T = end.value
                return result
            await pause()
    finally:
        for _ in work:
            """Run what a cancellation left."""


def was_full_chunk(chunk: Sequence[object]) -> bool:
    """Return whether a chunk has the full size, so that another may follow.

    Most changes concern one user and need no pause.
    """
    return len(chunk) == CHUNK_SIZE


def in_chunks(values: Iterable[T], size: int = CHUNK_SIZE) -> Iterator[tuple[T, ...]]:
    """Yield all of `values` in tuples of up to `size`."""
    remaining = iter(values)
    while chunk := tuple(islice(remaining, size)):
        yield chunk
