"""Reads a long summary in slices while it arrives, without a JSON parser of its own.

JSON is parsed from left to right. If bytes that begin at a row form a valid array between brackets,
they therefore end at a row. Decoding a slice, which is necessary anyway, proves that its cut is
right. A wrong cut, inside a string or a nested object, makes the slice invalid; the slice then grows
to twice its size until a cut is right or the body ends. Because the sizes double, all failed attempts
cost at most one more decoding of the whole body.

The bytes before the first row and those after the last cut form the same answer with fewer users. It
is read at the end like any answer, which proves that `success` is true, that no key is repeated, and
that the body is complete.
"""

import re
from collections.abc import Iterator
from itertools import islice

import msgspec
from msgspec import Struct

from exporter.cloudflare.wire.decoding import UNDECODABLE, without_lone_surrogates
from exporter.cloudflare.wire.envelope import Page, check_size
from exporter.cloudflare.wire.summary import (
    MOST_ROW_BYTES,
    RowTooLongError,
    join,
    read_rows,
    read_whole_summary,
    recall_rows,
)
from exporter.errors import BadResponseError
from exporter.risk.model import KnownRows, SummaryReading

SLICE_BYTES = 16 * 1024
"""About 80 rows, which take 0.2 ms to read."""

MOST_UNCUT_BYTES = 8 * 1024 * 1024
"""The most bytes that are held while no end of a row is found."""

MOST_UNREADABLE_ROWS = 100_000
"""The most unreadable rows of an answer, because the user of each may have to be kept in memory."""

_ARRAY_BEGINS = re.compile(rb'"users"[ \t\r\n]*:[ \t\r\n]*\[')
_LIKELY_BEGINNINGS = 8
_LONGEST_HEAD = 64 * 1024

_LIKELY_CUTS = 3
_LIKELY_BRACES = 32
_WIDEST_GAP = 64
_SPACE = b" \t\r\n"


class SummarySlicer:
    """Takes the bytes of one answer in any pieces, and returns readings of their rows early.

    The readings are valid only once `finish` has returned, because the answer may still be an
    error or incomplete. Rows in `known` are recalled instead of decoded; None decodes all rows.
    """

    def __init__(
        self, *, page: int = 1, slice_bytes: int = SLICE_BYTES, known: KnownRows | None = None
    ) -> None:
        self._page = page
        self._slice_bytes = slice_bytes
        self._known = known
        self._try_at = slice_bytes
        self._head = b""
        self._rest = bytearray()
        self._unreadable = 0

    def feed(self, piece: bytes) -> SummaryReading | None:
        """Take the next bytes; return the rows of a slice that they complete, or None.

        Raises BadResponseError for a row of more than 1 MiB, for `MOST_UNCUT_BYTES` without the end
        of a row, and for more than `MOST_UNREADABLE_ROWS`.
        """
        self._rest += piece
        if len(self._rest) < self._try_at:
            return None
        reading = self._cut() if self._head or self._find_head() else None
        if reading is not None:
            self._try_at = self._slice_bytes
            self._count_unreadable(reading)
            return reading
        if len(self._rest) >= MOST_UNCUT_BYTES:
            megabytes = MOST_UNCUT_BYTES // (1024 * 1024)
            raise BadResponseError(
                f"{megabytes} MiB without the end of a row", field="result.users"
            )
        self._try_at = min(2 * len(self._rest), MOST_UNCUT_BYTES)
        return None

    def finish(self) -> Page[SummaryReading]:
        """Return the rows of the last slice.

        Raises BadResponseError unless all fed bytes form one complete, good answer.
        """
        document = self._head + bytes(self._rest)
        page = read_whole_summary(document, page=self._page)
        self._count_unreadable(page.value)
        return page

    def _count_unreadable(self, reading: SummaryReading) -> None:
        self._unreadable += reading.unreadable
        if self._unreadable > MOST_UNREADABLE_ROWS:
            raise BadResponseError(
                f"more than {MOST_UNREADABLE_ROWS} rows are not as documented", field="result.users"
            )

    def _find_head(self) -> bool:
        """Move the bytes before the first row from the rest to the head; return whether they are there."""
        start = bytes(self._rest[:_LONGEST_HEAD])
        for beginning in islice(_ARRAY_BEGINS.finditer(start), _LIKELY_BEGINNINGS):
            head = start[: beginning.end()]
            if _leads_to_users(head):
                self._head = head
                del self._rest[: len(head)]
                return True
        return False

    def _cut(self) -> SummaryReading | None:
        for end, following in islice(_cuts(self._rest), _LIKELY_CUTS):
            reading = _read_slice(bytes(self._rest[:end]), self._known)
            if reading is not None:
                del self._rest[:following]
                return reading
        return None


def read_summary(body: bytes, *, page: int = 1) -> Page[SummaryReading]:
    """Read a complete body in slices."""
    slicer = SummarySlicer(page=page)
    first = slicer.feed(body)
    last = slicer.finish()
    return last if first is None else Page(join([first, last.value]), total=last.total)


class _Users(Struct, frozen=True):
    users: list[int]


class _Answer(Struct, frozen=True):
    result: _Users


_ANSWER = msgspec.json.Decoder(_Answer)


def _leads_to_users(head: bytes) -> bool:
    """Return whether the bytes after `head` are the first element of `result.users`.

    To check, `head` is completed with and without an element. Both must be valid, and the element
    must be found in `result.users`.
    """
    try:
        empty, one = _ANSWER.decode(head + b"]}}"), _ANSWER.decode(head + b"0]}}")
    except UNDECODABLE:
        return False
    return not empty.result.users and one.result.users == [0]


def _cuts(rows: bytearray) -> Iterator[tuple[int, int]]:
    """Yield likely cuts, last first, as the end of a row and the beginning of the next one."""
    brace = len(rows)
    for _ in range(_LIKELY_BRACES):
        brace = rows.rfind(b"{", 0, brace)
        if brace < 0:
            return
        gap_start = max(0, brace - _WIDEST_GAP)
        before = bytes(rows[gap_start:brace]).rstrip(_SPACE)
        row = before[:-1].rstrip(_SPACE)
        if before.endswith(b",") and row.endswith(b"}"):
            yield gap_start + len(row), brace


def _read_slice(rows: bytes, known: KnownRows | None) -> SummaryReading | None:
    """Read the rows, or return None if they are not complete."""
    check_size(rows, field="result.users")
    if known is not None and len(rows) <= MOST_ROW_BYTES:
        reading = recall_rows(rows, known)
        if reading is not None:
            return reading
    array = b"[%b]" % rows
    for candidate in (array, _repaired(array)):
        if candidate is None:
            return None
        try:
            return read_rows(candidate)
        except RowTooLongError:
            raise
        except BadResponseError:
            continue
    return None


def _repaired(array: bytes) -> bytes | None:
    """Replace lone surrogates; return None if there are no escaped surrogates."""
    has_surrogates = rb"\ud" in array or rb"\uD" in array
    return without_lone_surrogates(array) if has_surrogates else None
