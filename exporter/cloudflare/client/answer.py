"""One answer while it arrives."""

from collections.abc import Iterator, Mapping
from typing import Self

from aiohttp import ClientResponse

from exporter.cloudflare.wire import Inflater


class Answer:
    """Status and headers of an answer; its body is read, once, by iterating over its pieces.

    A piece is at most `wire.PIECE_BYTES` of the inflated body. Reading raises BadResponseError
    past `longest` bytes, and for a body that is cut short or does not inflate.
    """

    def __init__(self, response: ClientResponse, *, longest: int) -> None:
        self.status = response.status
        self.headers = _joined(response)
        self.rows = 0
        self.unreadable_rows = 0
        self._content = response.content
        self._inflater = Inflater(self.headers.get("content-encoding", ""), limit=longest)
        self._pieces: Iterator[bytes] = iter(())

    def note_rows(self, *, readable: int, unreadable: int) -> None:
        """Count the rows that were read from this answer and those that could not be."""
        self.rows += readable + unreadable
        self.unreadable_rows += unreadable

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            piece = next(self._pieces, None)
            if piece is not None:
                return piece
            chunk = await self._content.readany()
            if not chunk:
                self._inflater.finish()
                raise StopAsyncIteration
            self._pieces = self._inflater.feed(chunk)

    async def body(self) -> bytes:
        """Read the whole body."""
        return b"".join([piece async for piece in self])

    async def beginning(self, length: int) -> bytes:
        """Read the body up to about `length` bytes."""
        read = bytearray()
        async for piece in self:
            read += piece
            if len(read) >= length:
                break
        return bytes(read)


def _joined(response: ClientResponse) -> Mapping[str, str]:
    """Join repeated headers by commas, as HTTP means them (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
