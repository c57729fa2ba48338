"""The summary: one array with a row for every user who has a risk level.

The array of a large account has tens of megabytes, and `SummarySlicer` (in `slices`) reads it in
pieces. This module reads a row, and handles unreadable rows, for both.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.cloudflare.wire.decoding import LEVELS, UNDECODABLE, Instant, decode, unix_seconds
from exporter.cloudflare.wire.envelope import Page, open_page
from exporter.cloudflare.wire.requests import UNADDRESSABLE_USERS
from exporter.errors import BadResponseError
from exporter.risk.model import KnownRows, RiskLevel, SummaryReading, UserSummary

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A count that fits into a 64-bit integer of the database."""


UserId = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
"""A bounded text. An email has at most 320 characters. A longer text would stay in memory."""


class _Row(Struct, frozen=True, gc=False):
    user_id: UserId
    event_count: Count
    last_event: Instant
    max_risk_level: str
    email: Text | None = None
    name: Text | None = None


class _NamedRow(Struct, frozen=True, gc=False):
    user_id: UserId


class _Summary(Struct, frozen=True):
    users: Raw


MOST_ROW_BYTES = 1024 * 1024
"""A row has about 200 bytes."""


class RowTooLongError(BadResponseError):
    """A complete row is longer than `MOST_ROW_BYTES`."""


_ROWS = msgspec.json.Decoder(list[_Row])
_RAW_ROWS = msgspec.json.Decoder(list[Raw])
_ROW = msgspec.json.Decoder(_Row)
_NAMED_ROW = msgspec.json.Decoder(_NamedRow)
_SUMMARY = msgspec.json.Decoder(_Summary)


def read_whole_summary(body: bytes, *, page: int = 1) -> Page[SummaryReading]:
    """Read the body of a good answer in one piece.

    Raises BadResponseError unless the answer is well formed and `result.users` is an array. Rows
    that are not as documented are skipped and counted.
    """
    opened = open_page(body, page=page)
    users = decode(_SUMMARY, opened.value, at="result").users
    return Page(read_rows(users), total=opened.total)


def read_rows(array: bytes | Raw) -> SummaryReading:
    """Read a JSON array of rows.

    Raises BadResponseError if it is not an array or has a row of more than `MOST_ROW_BYTES`.
    """
    if len(memoryview(array)) > MOST_ROW_BYTES:
        _check_row_sizes(array)
    try:
        rows = _ROWS.decode(array)
    except UNDECODABLE:
        return _read_one_by_one(decode(_RAW_ROWS, array, at="result.users"))
    return _reading(rows)


def recall_rows(rows: bytes, known: KnownRows) -> SummaryReading | None:
    """Read rows separated only by commas, and decode only those that are not in `known`.

    Return None unless every stretch between two separators is a whole row as documented. A stretch
    whose hash is in `known` was decoded as a row before. The probability that a changed row has a
    known hash is about `len(known)` / 2^64.
    """
    if not (rows.startswith(b"{") and rows.endswith(b"}")):
        return None
    stretches = rows[1:-1].split(b"},{")
    recalled = list(map(known.get, map(hash, stretches)))
    found = [row for row in recalled if row is not None]
    if len(found) == len(stretches):
        return SummaryReading((), recalled=found)
    new = [stretch for stretch, row in zip(stretches, recalled, strict=True) if row is None]
    try:
        decoded = [_ROW.decode(b"{%b}" % stretch) for stretch in new]
    except UNDECODABLE:
        return None
    reading = _reading(decoded)
    # Rows that were left out have no fingerprint, and it is not known which those are.
    is_whole = len(reading.users) == len(new)
    return replace(reading, recalled=found, fingerprints=tuple(map(hash, new)) if is_whole else ())


def _check_row_sizes(array: bytes | Raw) -> None:
    raws = decode(_RAW_ROWS, array, at="result.users")
    if any(len(memoryview(raw)) > MOST_ROW_BYTES for raw in raws):
        raise RowTooLongError(f"a row of more than {MOST_ROW_BYTES} bytes", field="result.users")


def join(readings: Iterable[SummaryReading]) -> SummaryReading:
    """Join the readings of slices or pages into one, with at most one row per user."""
    users: list[UserSummary] = []
    unreadable = 0
    kept: frozenset[str] = frozenset()
    for reading in readings:
        users.extend(reading.users)
        users.extend(reading.recalled)
        unreadable += reading.unreadable
        kept |= reading.kept
    return SummaryReading(_one_row_a_user(users), unreadable=unreadable, kept=kept)


def newer(one: UserSummary, other: UserSummary) -> UserSummary:
    """Return the row with the later event of two rows of a user; if equal, with the higher level."""
    return max(one, other, key=lambda row: (row.last_event, row.level))


def _read_one_by_one(raws: list[Raw]) -> SummaryReading:
    rows: list[_Row] = []
    unreadable = 0
    kept: set[str] = set()
    for raw in raws:
        try:
            rows.append(_ROW.decode(raw))
        except UNDECODABLE:
            unreadable += 1
            kept |= _named(raw)
    return join([_reading(rows), SummaryReading((), unreadable=unreadable, kept=frozenset(kept))])


def _named(raw: Raw) -> frozenset[str]:
    """Return the user id of an unreadable row, or nothing if the id is unreadable too."""
    try:
        return frozenset({_NAMED_ROW.decode(raw).user_id}) - UNADDRESSABLE_USERS
    except UNDECODABLE:
        return frozenset()


def _reading(rows: list[_Row]) -> SummaryReading:
    """Return the users of the rows. Most of the time of a poll in Python is spent here.

    `level_of` is inlined to save a call per row.
    """
    users = [
        UserSummary(
            row.user_id,
            row.email or "",
            row.name or "",
            row.event_count,
            unix_seconds(row.last_event),
            LEVELS.get(row.max_risk_level, RiskLevel.UNKNOWN),
        )
        for row in rows
    ]
    user_ids = {user.user_id for user in users}
    if len(user_ids) == len(users) and UNADDRESSABLE_USERS.isdisjoint(user_ids):
        return SummaryReading(tuple(users))
    addressable = [user for user in users if user.user_id not in UNADDRESSABLE_USERS]
    return SummaryReading(_one_row_a_user(addressable), unreadable=len(rows) - len(addressable))


def _one_row_a_user(rows: list[UserSummary]) -> tuple[UserSummary, ...]:
    by_user = {row.user_id: row for row in rows}
    if len(by_user) == len(rows):
        return tuple(rows)
    chosen: dict[str, UserSummary] = {}
    for row in rows:
        chosen[row.user_id] = newer(chosen.get(row.user_id, row), row)
    return tuple(chosen.values())
