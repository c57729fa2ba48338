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


class Spelling(IntEnum):
    """One way to write an instant."""

    SECONDS = 0
    MILLISECONDS = 1
    NANOSECONDS = 2
    OFFSET = 3


_DIGITS = {
    Spelling.SECONDS: 0,
    Spelling.MILLISECONDS: 3,
    Spelling.NANOSECONDS: 9,
    Spelling.OFFSET: 6,
}
_UNIT_NS = {spelling: int(10 ** (9 - digits)) for spelling, digits in _DIGITS.items()}
_OFFSET_HOURS = 2


def rounded(at_ns: int, spelling: Spelling) -> int:
    """The latest instant up to `at_ns` that `spelling` can write exactly."""
    return at_ns - at_ns % _UNIT_NS[spelling]


def render(at_ns: int, spelling: Spelling = Spelling.MILLISECONDS) -> str:
    """Write `at_ns`; what is finer than the spelling is cut off."""
    seconds, fraction_ns = divmod(at_ns, SECOND_NS)
    digits = _DIGITS[spelling]
    fraction = f".{fraction_ns:09}"[: digits + 1] if digits else ""
    if spelling is Spelling.OFFSET:
        seconds += _OFFSET_HOURS * 3600
    zone = f"+{_OFFSET_HOURS:02}:00" if spelling is Spelling.OFFSET else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + zone


def parse(text: str) -> int:
    """Unix nanoseconds of an RFC 3339 instant; ValueError where it is not one."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 instant such as 2026-01-31T12:00:00Z")
    day, hour, fraction, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset) if offset else UTC
    seconds = int(datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=zone).timestamp())
    return seconds * SECOND_NS + int((fraction or "0").ljust(9, "0"))
