"""The rows of the summary, kept rendered: a row is rendered again only when its user changed."""

from collections.abc import Iterator

import msgspec

from exporter.simulator.world.body import Piece
from exporter.simulator.world.rfc3339 import render
from exporter.simulator.world.users import User

_CHUNK_USERS = 256
_COMMA = Piece(b",")


class SummaryRow(msgspec.Struct):
    """One user as the summary shows them."""

    user_id: str
    email: str
    name: str
    event_count: int
    last_event: str
    max_risk_level: str


class _Chunk:
    __slots__ = ("piece", "users")

    def __init__(self) -> None:
        self.users: list[User] = []
        self.piece: Piece | None = None


class Listing:
    """Every user of an account, listed or not, in the order they were added."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []

    def add(self, user: User) -> None:
        """Append `user`, whose ordinal says how many were added before."""
        if user.ordinal % _CHUNK_USERS == 0:
            self._chunks.append(_Chunk())
        self._chunks[-1].users.append(user)
        self.touch(user)

    def touch(self, user: User) -> None:
        """Render the row of `user` again when next asked for: something about them changed."""
        user.row = None
        self._chunks[user.ordinal // _CHUNK_USERS].piece = None

    def pieces(self) -> tuple[Piece, ...]:
        """Return all rows, joined by commas."""
        return tuple(self._joined())

    def rows(self) -> list[bytes]:
        """Each row of a listed user."""
        return [row for chunk in self._chunks for row in _rows(chunk)]

    def _joined(self) -> Iterator[Piece]:
        is_first = True
        for chunk in self._chunks:
            if chunk.piece is None:
                chunk.piece = Piece(b",".join(_rows(chunk)))
            if chunk.piece.plain:
                if not is_first:
                    yield _COMMA
                is_first = False
                yield chunk.piece


def _rows(chunk: _Chunk) -> list[bytes]:
    rows = [_row(user) if user.row is None else user.row for user in chunk.users]
    return [row for row in rows if row]


def _row(user: User) -> bytes:
    """Render and keep the row of `user`; it is empty while they are not listed."""
    user.row = b""
    if user.latest is not None and user.level is not None and not user.is_vanished:
        row = SummaryRow(
            user_id=user.id,
            email=user.email,
            name=user.name,
            event_count=len(user.events),
            last_event=render(user.latest.at_ns, user.latest.spelling),
            max_risk_level=user.level,
        )
        user.row = msgspec.json.encode(row)
    return user.row
