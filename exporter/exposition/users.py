"""Users in chunks: which users are rendered together, and what is rendered again of a chunk.

The chunk of a user follows from the user id alone, so other users coming and going do not move
it. The number of chunks changes only when the number of users has doubled or halved.

A change of a few users edits the compressed part: inflating it, replacing lines and deflating it
again takes a tenth of the time of rendering all users of the chunk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from exporter.catalogue import USER_FAMILIES, Sample, UserFamily
from exporter.exposition.parts import EMPTY_PART, Part, deflate
from exporter.exposition.render import Formats, SampleRenderer
from exporter.risk.model import UserRow

CHUNK_USERS = 256
"""The default number of users per chunk, approximately."""

Users = Mapping[str, UserRow]
"""Rows by the API's user id."""

_NOTHING = Formats(EMPTY_PART, EMPTY_PART)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Users and their lines: one pair of parts for each of `USER_FAMILIES`."""

    users: Users = field(default_factory=dict)
    parts: tuple[Formats[Part], ...] = (_NOTHING,) * len(USER_FAMILIES)


def chunk_count(users: int, *, now: int, wanted_users: int) -> int:
    """Return the number of chunks for `users`, given that there are `now`; at least one.

    The number stays the same while the mean size is within a factor of two of the wanted one, so
    that a number of users near a bound does not cause everything to be rendered at each poll.
    """
    if wanted_users * now <= users * 2 and users <= wanted_users * now * 2:
        return now
    return max(1, -(-users // wanted_users))


def chunk_index(user_id: str, *, count: int) -> int:
    """Return the index of a user's chunk among `count`; the same in every process."""
    return crc32(user_id.encode(errors="surrogatepass")) % count


Replacement = tuple[bytes, bytes]
"""Existing whole lines, and the whole lines, or nothing, that replace them.

Replacing bytes is safe because no label value can look like the beginning of a line: a quotation
mark in a value is always escaped.
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a part's text; with `keeps` False all existing lines are removed first."""

    added: bytes
    replacements: tuple[Replacement, ...] = ()
    keeps: bool = True

    def apply(self, part: Part) -> Part:
        """Return the edited part. Mostly releases the GIL, so it can run in a thread."""
        text = part.inflate() if self.keeps else b""
        for old, new in self.replacements:
            text = text.replace(old, new, 1)
        return deflate(text + self.added)


def apply_both(edits: Formats[Edit], parts: Formats[Part]) -> Formats[Part]:
    """Apply the edit of each format to its part, only once if they share the edit."""
    text = edits.text.apply(parts.text)
    same = edits.openmetrics is edits.text
    return Formats(text, text if same else edits.openmetrics.apply(parts.openmetrics))


Change = tuple[UserRow | None, UserRow | None]
"""A user's row before and after a change; None if the user was not shown, or no longer is."""

SampleChange = tuple[tuple[Sample, ...], tuple[Sample, ...]]
"""A user's samples in one family before and after a change."""

_EDITABLE_SHARE = 1 / 16
"""If more than this share of a chunk's users change, rendering all of them is faster."""


class ChunkRenderer:
    """Computes the edits of one account's chunks."""

    def __init__(self, account: str, *, identity_shown: bool, created_shown: bool) -> None:
        self._families = [
            (index, _FamilyRenderer(family, account, created_shown=created_shown))
            for index, family in enumerate(USER_FAMILIES)
            if identity_shown or not family.is_identity
        ]

    def edits(self, chunk: Chunk, users: Users) -> Mapping[int, Formats[Edit]]:
        """Return the edits after which the chunk shows exactly `users`, by index in `USER_FAMILIES`."""
        changes = _changes(chunk.users, users)
        edits = ((index, family.edit(changes, users)) for index, family in self._families)
        return {index: edit for index, edit in edits if edit}


def _changes(before: Users, after: Users) -> list[Change]:
    added_or_changed = [
        (before.get(user_id), row)
        for user_id, row in after.items()
        if row is not before.get(user_id)
    ]
    removed = [(row, None) for user_id, row in before.items() if user_id not in after]
    return [*added_or_changed, *removed]


class _FamilyRenderer:
    """Computes the edits of one family in a chunk."""

    def __init__(self, family: UserFamily, account: str, *, created_shown: bool) -> None:
        self._family = family
        self._renderer = SampleRenderer(family.metric, account, created_shown=created_shown)

    def edit(self, changes: Sequence[Change], users: Users) -> Formats[Edit] | None:
        """Return the edit, or None if no change concerns this family."""
        pairs = [(self._samples(before), self._samples(after)) for before, after in changes]
        shown = [(before, after) for before, after in pairs if before != after]
        if not shown:
            return None
        if len(shown) > len(users) * _EDITABLE_SHARE:
            return self._edit([((), self._samples(row)) for row in users.values()], keeps=False)
        return self._edit(shown, keeps=True)

    def _samples(self, row: UserRow | None) -> tuple[Sample, ...]:
        return () if row is None else self._family.samples(row)

    def _edit(self, changes: Sequence[SampleChange], *, keeps: bool) -> Formats[Edit]:
        render = self._renderer.render
        added = render([sample for before, after in changes if not before for sample in after])
        replaced = [(render(before), render(after)) for before, after in changes if before]
        text = Edit(added.text, tuple((old.text, new.text) for old, new in replaced), keeps)
        if not self._family.metric.is_counter:
            return Formats(text, text)
        pairs = tuple((old.openmetrics, new.openmetrics) for old, new in replaced)
        return Formats(text, Edit(added.openmetrics, pairs, keeps))


def apply_edits(chunk: Chunk, users: Users, edits: Mapping[int, Formats[Edit]]) -> Chunk:
    """Return the chunk with these edits applied, after which it shows `users`."""
    parts = (
        apply_both(edits[index], kept) if index in edits else kept
        for index, kept in enumerate(chunk.parts)
    )
    return Chunk(users, tuple(parts))
