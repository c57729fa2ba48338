"""Which users are rendered together, and what of them is rendered again.

A user's chunk follows from their id alone, so nobody else's coming or going moves them, nothing
remembers who is where, and the lines left by one who went are reused by whoever comes to that
chunk. Only where the number of users has doubled or halved are the chunks laid out anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from exporter.catalogue import USER_FAMILIES
from exporter.exposition.formats import Formats
from exporter.exposition.parts import EMPTY_PART, Part
from exporter.risk.model import UserRow

CHUNK_USERS = 256
"""How many users share a chunk, about, unless somebody wants it otherwise."""

Users = Mapping[str, UserRow]
"""Rows by the API's user id."""

_NOTHING = Formats(EMPTY_PART, EMPTY_PART)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some users, and their lines: one pair of parts for each of `USER_FAMILIES`."""

    users: Users = field(default_factory=dict)
    parts: tuple[Formats[Part], ...] = (_NOTHING,) * len(USER_FAMILIES)


def chunk_count(users: int, *, now: int, wanted_users: int) -> int:
    """How many chunks to keep `users` in, where there are `now`; never none.

    As many as now while their mean size is within a factor of two of the wanted one, so that
    users around a bound do not have everything rendered again at every poll.
    """
    if wanted_users * now <= users * 2 and users <= wanted_users * now * 2:
        return now
    return max(1, -(-users // wanted_users))


def chunk_index(user_id: str, *, count: int) -> int:
    """The place of a user's chunk among `count`; the same in every process."""
    return crc32(user_id.encode(errors="surrogatepass")) % count
