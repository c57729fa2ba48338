"""Which users are rendered together, and what of them is rendered again.

A user's chunk follows from their id alone, so nobody else's coming or going moves them, nothing
remembers who is where, and the lines left by one who went are reused by whoever comes to that
chunk. Only where the number of users has doubled or halved are the chunks laid out anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from exporter.catalogue import USER_FAMILIES, Sample, UserFamily
from exporter.exposition.formats import Formats
from exporter.exposition.parts import EMPTY_PART, Part
from exporter.exposition.render import render_samples
from exporter.risk.model import UserRow

CHUNK_USERS = 256
"""How many users share a chunk, about, unless somebody wants it otherwise."""

_NOTHING = Formats(EMPTY_PART, EMPTY_PART)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some users, and their lines: one pair of parts for each of `USER_FAMILIES`."""

    rows: Mapping[str, UserRow] = field(default_factory=dict)
    parts: tuple[Formats[Part], ...] = (_NOTHING,) * len(USER_FAMILIES)

    def replace(self, rows: Mapping[str, UserRow], parts: Mapping[int, Formats[Part]]) -> "Chunk":
        """This chunk with these users, and with these parts at their places."""
        return Chunk(rows, tuple(parts.get(place, kept) for place, kept in enumerate(self.parts)))


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


@dataclass(frozen=True, slots=True)
class ChunkRenderer:
    """Renders the chunks of one account."""

    account: str
    identity_shown: bool

    def render_changes(
        self, chunk: Chunk, rows: Mapping[str, UserRow]
    ) -> Mapping[int, Formats[bytes]]:
        """The lines of those families that `rows` change, by their place in `USER_FAMILIES`."""
        before = chunk.rows
        changed = [key for key in before.keys() | rows if before.get(key) is not rows.get(key)]
        return {
            place: render_samples(family.metric, self.account, self._all_samples(family, rows))
            for place, family in enumerate(USER_FAMILIES)
            if any(
                self._samples(family, before.get(key)) != self._samples(family, rows.get(key))
                for key in changed
            )
        }

    def _samples(self, family: UserFamily, row: UserRow | None) -> tuple[Sample, ...]:
        if row is None or (family.is_identity and not self.identity_shown):
            return ()
        return family.samples(row)

    def _all_samples(self, family: UserFamily, rows: Mapping[str, UserRow]) -> list[Sample]:
        return [sample for row in rows.values() for sample in self._samples(family, row)]
