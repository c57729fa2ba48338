"""Bodies as they travel: inflated a little at a time, and never beyond a bound."""

from collections.abc import Iterator

from isal import igzip_lib

from exporter.errors import BadResponseError

PIECE_BYTES = 16 * 1024
"""No piece is larger: small enough that inflating and reading one holds nothing up."""

_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity"})


class Inflater:
    """Turns the chunks of one body into pieces of at most `PIECE_BYTES`.

    `encoding` is the Content-Encoding header, "" where there is none. Raises BadResponseError
    for an encoding we did not ask for, data that are not gzip, and as soon as more than
    `limit` bytes would come out, however few went in.
    """

    def __init__(self, encoding: str, *, limit: int) -> None:
        self._encoding = encoding.strip().lower()
        self._member: igzip_lib.IgzipDecompressor | None = None
        self._left = limit

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Inflate one chunk; every piece must be taken before the next chunk is fed."""
        for piece in self._pieces(chunk):
            self._left -= len(piece)
            if self._left < 0:
                raise BadResponseError("longer than is allowed", field="body")
            yield piece

    def finish(self) -> None:
        """Believe that the body is whole; raises BadResponseError where gzip says it is not.

        A body of no bytes at all is whole in any encoding.
        """
        if self._member is not None and not self._member.eof:
            raise BadResponseError("cut short", field="body")

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._encoding in _GZIP:
            return self._inflated(chunk)
        if self._encoding in _PLAIN:
            return (chunk[at : at + PIECE_BYTES] for at in range(0, len(chunk), PIECE_BYTES))
        raise BadResponseError("an encoding we did not ask for", field="content-encoding")

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        """A gzip body may be several members one after the other (RFC 1952, 2.2)."""
        while chunk:
            member = self._next_member()
            yield from _pieces_of(member, chunk)
            chunk = member.unused_data if member.eof else b""

    def _next_member(self) -> igzip_lib.IgzipDecompressor:
        if self._member is None or self._member.eof:
            self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        return self._member


def _pieces_of(member: igzip_lib.IgzipDecompressor, chunk: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = member.decompress(chunk, PIECE_BYTES)
        except igzip_lib.IsalError as error:  # type: ignore[misc] # its stub forgets "type[]"
            raise BadResponseError("damaged: it does not inflate", field="body") from error
        if piece:
            yield piece
        if member.eof or member.needs_input:
            return
        chunk = b""
