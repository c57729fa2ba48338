"""A long summary, read slice by slice while it arrives, without a JSON parser of our own.

The trick: JSON is read from left to right, so if a stretch that begins where a row begins is a
valid array once it stands between brackets, then it ends where a row ends. A cut is therefore
proved by decoding the slice, which has to be done anyway. A cut that was wrong, inside a string
or a nested object, makes an invalid slice; then the slice simply grows, to twice its size, until
a cut is right or the body is over. In the worst case everything is decoded once more at the end,
whole: the sizes double, so all failed attempts together cost no more than that.

What is left after the last cut, put behind what stood before the first row, is the answer with
fewer users. It is read at the end as any answer is, and that proves the rest: that `success` is
true, wherever it stands, that no key stands there twice, and that nothing is cut short.
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
"""About 80 rows: a fifth of a millisecond to read."""

MOST_UNCUT_BYTES = 8 * 1024 * 1024
"""What is held of an answer while no end of a row is found in it."""

MOST_UNREADABLE_ROWS = 100_000
"""An answer with more of them is not a summary; the user of each may have to be remembered."""

_ARRAY_BEGINS = re.compile(rb'"users"[ \t\r\n]*:[ \t\r\n]*\[')
_LIKELY_BEGINNINGS = 8
_LONGEST_HEAD = 64 * 1024

_LIKELY_CUTS = 3
_LIKELY_BRACES = 32
_WIDEST_GAP = 64
_SPACE = b" \t\r\n"


class SummarySlicer:
    """Bytes of one answer in, in any pieces; readings of their rows out, as soon as they can be.

    A reading says nothing yet about users it does not have, nor is any of them to be believed
    before `finish` has returned: until then the answer may still turn out to be a failure.
    Rows in `known` are recalled, not decoded; None decodes all rows.
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
        """Take the next bytes; return the rows of the slice they complete, if they do.

        Raises BadResponseError for a row of more than a megabyte, for `MOST_UNCUT_BYTES` without
        the end of a row, and for more than `MOST_UNREADABLE_ROWS`.
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
        """Return the rows of the last slice; no bytes will come any more.

        Raises BadResponseError unless all that was fed is one whole, good answer.
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
        """Move everything up to the first row from the rest to the head."""
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
    """Read a body that is already there, in slices all the same."""
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
    """Whether what follows `head` is the first element of `result.users`.

    Shown by closing it where it stands, with and without an element: both must be valid, and
    the element must be found in its place.
    """
    try:
        empty, one = _ANSWER.decode(head + b"]}}"), _ANSWER.decode(head + b"0]}}")
    except UNDECODABLE:
        return False
    return not empty.result.users and one.result.users == [0]


def _cuts(rows: bytearray) -> Iterator[tuple[int, int]]:
    """Find likely cuts, last first: where a row ends and where the next one begins."""
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
    """Read the rows, or return None where they are not whole ones."""
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
    """Repair half surrogate pairs; None where there are none."""
    has_surrogates = rb"\ud" in array or rb"\uD" in array
    return without_lone_surrogates(array) if has_surrogates else None
