"""Long work in steps, between which somebody else may have a turn.

A rule that may have to look at a hundred thousand users is a generator: it yields wherever it can
be interrupted, and returns its result. It stays pure; whoever runs it decides what happens
between two steps.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Chunked: TypeAlias = Generator[None, None, T]
"""Work that yields where it may rest, and returns what comes of it."""

Pause: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited between pieces of work of about a millisecond; it may return late."""

CHUNK_SIZE = 512
"""How many users are looked at in one step: about a millisecond."""


def run_sync(steps: Chunked[T]) -> T:
    """Do all of it without a rest."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def run_chunked(steps: Chunked[T], pause: Pause) -> T:
    """Do all of it, with `pause` between two steps.

    Where that is cancelled, what is left is done at once before the cancellation goes on: no
    work is ever left half done.
    """
    try:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            await pause()
    finally:
        for _ in steps:
            """What a cancellation left."""


def was_full_chunk(one_slice: Sequence[object]) -> bool:
    """Whether another slice may follow this one, so that it is time for a rest.

    Most changes are of one user, and need none.
    """
    return len(one_slice) == CHUNK_SIZE


def in_chunks(values: Iterable[T], size: int = CHUNK_SIZE) -> Iterator[tuple[T, ...]]:
    """All of `values`, so many at a time."""
    remaining = iter(values)
    while one_slice := tuple(islice(remaining, size)):
        yield one_slice
