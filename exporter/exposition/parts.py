"""Parts of a gzip stream that are compressed separately and joined without compressing again.

A part is raw deflate data that ends with a full flush, so it consists of whole bytes and does not
refer to data before it. Parts in any order, between one header and one trailer, are one valid gzip
member. A member per part would not work: `curl --compressed` and httpx stop after the first.

Sources: RFC 1951 and 1952; `crc32_combine` as zlib documents it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from isal import isal_zlib

from exporter.exposition.render import Formats

PIECE_BYTES: Final = 256 * 1024

_LEVEL: Final = 1  # of isal's 0 to 3: 2 and 3 cost more and save next to nothing on this text
_RAW: Final = -15
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no time, no name, any OS
_LAST_BLOCK: Final = b"\x03\x00"


class Part(msgspec.Struct, frozen=True, gc=False):
    """Deflated whole lines; `crc`, `length` and `lines` are those of the plain text."""

    deflated: bytes
    crc: int
    length: int
    lines: int

    def inflate(self) -> bytes:
        """Return the plain text. Releases the GIL."""
        return isal_zlib.decompress(self.deflated + _LAST_BLOCK, _RAW, bufsize=self.length)


EMPTY_PART: Final = Part(b"", 0, 0, 0)


def deflate(text: bytes) -> Part:
    """Compress whole lines. Releases the GIL, so it can run in a thread."""
    if not text:
        return EMPTY_PART
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
    deflated = compressor.compress(text) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    lines = text.count(b"\n")  # a label's newline is escaped, so every one of these ends a line
    return Part(deflated, isal_zlib.crc32(text), len(text), lines)


def deflate_both(texts: Formats[bytes]) -> Formats[Part]:
    """Compress for both formats, only once if they share the text."""
    text = deflate(texts.text)
    same = texts.openmetrics is texts.text
    return Formats(text, text if same else deflate(texts.openmetrics))


@dataclass(frozen=True, slots=True)
class Run:
    """Parts in order, with their combined checksum and sizes."""

    parts: tuple[Part, ...]
    crc: int
    length: int
    deflated_length: int
    lines: int

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Run":
        """Return a run of these parts without the empty ones."""
        kept = tuple(part for part in parts if part.length)
        crc = 0
        for part in kept:
            crc = isal_zlib.crc32_combine(crc, part.crc, part.length)
        return cls(
            parts=kept,
            crc=crc,
            length=sum(part.length for part in kept),
            deflated_length=sum(len(part.deflated) for part in kept),
            lines=sum(part.lines for part in kept),
        )

    @classmethod
    def joined(cls, runs: Iterable["Run"]) -> "Run":
        """Return these runs as one, which has few parts if it is small enough for one write."""
        parts: list[Part] = []
        crc = length = deflated_length = lines = 0
        for run in runs:
            parts += run.parts
            crc = isal_zlib.crc32_combine(crc, run.crc, run.length)
            length += run.length
            deflated_length += run.deflated_length
            lines += run.lines
        if deflated_length <= PIECE_BYTES:
            parts = list(_grouped(parts))
        return cls(tuple(parts), crc, length, deflated_length, lines)


def _grouped(parts: Iterable[Part]) -> Iterator[Part]:
    """Join parts until their plain text is long enough for one write."""
    group: list[Part] = []
    length = 0
    for part in parts:
        group.append(part)
        length += part.length
        if length >= PIECE_BYTES:
            yield _one_part(group)
            group, length = [], 0
    if group:
        yield _one_part(group)


def _one_part(parts: Sequence[Part]) -> Part:
    run = Run.of(parts)
    return Part(b"".join([part.deflated for part in parts]), run.crc, run.length, run.lines)


EMPTY_RUN: Final = Run.of(())


def run_both(pairs: Sequence[Formats[Part]]) -> Formats[Run]:
    """Return the run for each format, the same one if no part differs."""
    text = Run.of(pair.text for pair in pairs)
    same = all(pair.openmetrics is pair.text for pair in pairs)
    return Formats(text, text if same else Run.of(pair.openmetrics for pair in pairs))


def plain_length(runs: Iterable[Run]) -> int:
    """Return the number of bytes in `plain_pieces`."""
    return sum(run.length for run in runs)


def gzip_length(runs: Iterable[Run]) -> int:
    """Return the number of bytes in `gzip_pieces`."""
    trailer = 8
    return len(_HEADER) + sum(run.deflated_length for run in runs) + len(_LAST_BLOCK) + trailer


def plain_pieces(runs: Iterable[Run]) -> Iterator[bytes]:
    """Yield the lines of all runs, inflated part by part, in pieces of about `PIECE_BYTES`."""
    return _gathered(part.inflate() for run in runs for part in run.parts)


def gzip_pieces(runs: Iterable[Run]) -> Iterator[bytes]:
    """Yield all runs as one gzip member, in pieces of about `PIECE_BYTES`."""
    return _gathered(_gzip_member(runs))


def _gzip_member(runs: Iterable[Run]) -> Iterator[bytes]:
    yield _HEADER
    crc = length = 0
    for run in runs:
        yield from (part.deflated for part in run.parts)
        crc = isal_zlib.crc32_combine(crc, run.crc, run.length)
        length += run.length
    yield _LAST_BLOCK + crc.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join small chunks into pieces that are long enough for one write."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
