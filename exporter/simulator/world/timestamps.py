"""RFC 3339 timestamps in several of the formats that the RFC allows.

The API's reference promises RFC 3339 and nothing more, so a client must accept all of them.
"""

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum

SECOND_NS = 1_000_000_000

_PATTERN = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))"
)

_OFFSET_HOURS = 2


class TimestampFormat(IntEnum):
    """A format of RFC 3339, named by its fraction or its UTC offset."""

    SECONDS = 0
    MILLISECONDS = 1
    NANOSECONDS = 2
    OFFSET = 3


_DIGITS = {
    TimestampFormat.SECONDS: 0,
    TimestampFormat.MILLISECONDS: 3,
    TimestampFormat.NANOSECONDS: 9,
    TimestampFormat.OFFSET: 6,
}
_UNIT_NS = {
    timestamp_format: int(10 ** (9 - digits)) for timestamp_format, digits in _DIGITS.items()
}


def round_down(at_ns: int, timestamp_format: TimestampFormat) -> int:
    """Return the latest instant up to `at_ns` that the format can express exactly."""
    return at_ns - at_ns % _UNIT_NS[timestamp_format]


def format_timestamp(
    at_ns: int, timestamp_format: TimestampFormat = TimestampFormat.MILLISECONDS
) -> str:
    """Return `at_ns` as text, truncated to the precision of the format."""
    seconds, fraction_ns = divmod(at_ns, SECOND_NS)
    digits = _DIGITS[timestamp_format]
    fraction = f".{fraction_ns:09}"[: digits + 1] if digits else ""
    if timestamp_format is TimestampFormat.OFFSET:
        seconds += _OFFSET_HOURS * 3600
    zone = f"+{_OFFSET_HOURS:02}:00" if timestamp_format is TimestampFormat.OFFSET else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + zone


def parse_timestamp(text: str) -> int:
    """Return the Unix nanoseconds of an RFC 3339 timestamp. Raise ValueError if it is not one."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 instant such as 2026-01-31T12:00:00Z")
    day, hour, fraction, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset) if offset else UTC
    seconds = int(datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=zone).timestamp())
    return seconds * SECOND_NS + int((fraction or "0").ljust(9, "0"))
