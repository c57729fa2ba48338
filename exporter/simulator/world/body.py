"""Bodies of answers, in pieces that stay packed for as long as they stay the same.

A summary of 100,000 users is 20 MB. Each piece is a run of deflate data of its own, ended by a
full flush, so that pieces can be joined into one gzip stream and only a piece that changed is
packed again.
"""

import zlib
from collections.abc import Iterable

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_WORD = 0xFFFFFFFF


class Piece:
    """A part of a body, packed at most once."""

    __slots__ = ("_deflated", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._deflated: bytes | None = None

    def deflated(self) -> bytes:
        """Raw deflate data, ended by a full flush. May be called in a thread."""
        if self._deflated is None:
            packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
            self._deflated = packer.compress(self.plain) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._deflated


class Body:
    """A whole body; its pieces never change."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = tuple(pieces)

    @classmethod
    def of(cls, plain: bytes) -> "Body":
        """Return a body of one piece."""
        return cls((Piece(plain),))

    @property
    def size(self) -> int:
        """How many bytes it has when not packed."""
        return sum(len(piece.plain) for piece in self._pieces)

    def plain(self) -> bytes:
        """The body as it is."""
        return b"".join(piece.plain for piece in self._pieces)

    def gzipped(self) -> bytes:
        """The body as one gzip member. May be called in a thread."""
        crc = 0
        for piece in self._pieces:
            crc = zlib.crc32(piece.plain, crc)
        trailer = crc.to_bytes(4, "little") + (self.size & _WORD).to_bytes(4, "little")
        packed = (piece.deflated() for piece in self._pieces)
        return b"".join((_GZIP_HEADER, *packed, _LAST_BLOCK, trailer))
