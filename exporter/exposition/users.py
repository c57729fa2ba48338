"""Users' rows as edits of their chunk's parts: which lines change, and to what."""

from collections.abc import Mapping, Sequence

from exporter.catalogue import USER_FAMILIES, Sample, UserFamily
from exporter.exposition.chunks import Chunk, Users
from exporter.exposition.edits import Edit, apply_both
from exporter.exposition.formats import Formats
from exporter.exposition.render import SampleRenderer
from exporter.risk.model import UserRow

Change = tuple[UserRow | None, UserRow | None]
"""A user's row before and after; None where they were not or are no longer shown."""

SampleChange = tuple[tuple[Sample, ...], tuple[Sample, ...]]
"""A user's samples in one family before and after."""

_EDITABLE_SHARE = 1 / 16
"""Of a chunk's users: where more of them change, rendering all of them is faster."""


class ChunkRenderer:
    """Says what to change of the chunks of one account."""

    def __init__(self, account: str, *, identity_shown: bool, created_shown: bool) -> None:
        self._families = [
            (place, _FamilyRenderer(family, account, created_shown=created_shown))
            for place, family in enumerate(USER_FAMILIES)
            if identity_shown or not family.is_identity
        ]

    def edits(self, chunk: Chunk, users: Users) -> Mapping[int, Formats[Edit]]:
        """What makes the chunk show `users` alone: edits by their place in `USER_FAMILIES`."""
        changes = _changes(chunk.users, users)
        edits = ((place, family.edit(changes, users)) for place, family in self._families)
        return {place: edit for place, edit in edits if edit}


def _changes(before: Users, after: Users) -> list[Change]:
    came_or_changed = [
        (before.get(user_id), row)
        for user_id, row in after.items()
        if row is not before.get(user_id)
    ]
    went = [(row, None) for user_id, row in before.items() if user_id not in after]
    return [*came_or_changed, *went]


class _FamilyRenderer:
    """Says what to change of one family in a chunk."""

    def __init__(self, family: UserFamily, account: str, *, created_shown: bool) -> None:
        self._family = family
        self._renderer = SampleRenderer(family.metric, account, created_shown=created_shown)

    def edit(self, changes: Sequence[Change], users: Users) -> Formats[Edit] | None:
        """None where no change shows in this family."""
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
    """The chunk with these edits done, which are what makes it show `users`. Worth a thread."""
    parts = (
        apply_both(edits[place], kept) if place in edits else kept
        for place, kept in enumerate(chunk.parts)
    )
    return Chunk(users, tuple(parts))
