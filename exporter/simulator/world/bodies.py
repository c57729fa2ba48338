"""Response bodies in compressed pieces, and the summary rows kept in them.

A summary of 100,000 users is 20 MB. Each piece is a run of deflate data that ends with a full
flush, so that pieces can be joined into one gzip stream and only a piece that changed is
compressed again.
"""

import zlib
from collections.abc import Iterable, Iterator

import msgspec

from exporter.simulator.world.timestamps import format_timestamp
from exporter.simulator.world.users import User

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_WORD = 0xFFFFFFFF

_CHUNK_USERS = 256


class Piece:
    """A part of a body, compressed at most once."""

    __slots__ = ("_deflated", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._deflated: bytes | None = None

    def deflated(self) -> bytes:
        """Return raw deflate data that end with a full flush. Can run in a thread."""
        if self._deflated is None:
            packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
            self._deflated = packer.compress(self.plain) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._deflated


class Body:
    """A response body made of pieces that do not change."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = tuple(pieces)

    @classmethod
    def of(cls, plain: bytes) -> "Body":
        """Return a body of one piece."""
        return cls((Piece(plain),))

    @property
    def size(self) -> int:
        """The number of bytes before compression."""
        return sum(len(piece.plain) for piece in self._pieces)

    def plain(self) -> bytes:
        """Return the uncompressed body."""
        return b"".join(piece.plain for piece in self._pieces)

    def gzipped(self) -> bytes:
        """Return the body as one gzip member. Can run in a thread."""
        crc = 0
        for piece in self._pieces:
            crc = zlib.crc32(piece.plain, crc)
        trailer = crc.to_bytes(4, "little") + (self.size & _WORD).to_bytes(4, "little")
        packed = (piece.deflated() for piece in self._pieces)
        return b"".join((_GZIP_HEADER, *packed, _LAST_BLOCK, trailer))


_COMMA = Piece(b",")


class SummaryRow(msgspec.Struct):
    """A user in the summary."""

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


class SummaryRows:
    """The rendered rows of all users of an account, listed or not, in the order they were added."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []

    def add(self, user: User) -> None:
        """Append `user`, whose ordinal is the number of users added before."""
        if user.ordinal % _CHUNK_USERS == 0:
            self._chunks.append(_Chunk())
        self._chunks[-1].users.append(user)
        self.invalidate(user)

    def invalidate(self, user: User) -> None:
        """Mark the row of a changed user to be rendered again."""
        user.row = None
        self._chunks[user.ordinal // _CHUNK_USERS].piece = None

    def pieces(self) -> tuple[Piece, ...]:
        """Return all rows, joined by commas."""
        return tuple(self._joined())

    def rows(self) -> list[bytes]:
        """Return the row of each listed user."""
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
    """Render and cache the row of `user`; it is empty while the user is not listed."""
    user.row = b""
    if user.latest is not None and user.level is not None and not user.is_vanished:
        row = SummaryRow(
            user_id=user.id,
            email=user.email,
            name=user.name,
            event_count=len(user.events),
            last_event=format_timestamp(user.latest.at_ns, user.latest.timestamp_format),
            max_risk_level=user.level,
        )
        user.row = msgspec.json.encode(row)
    return user.row
