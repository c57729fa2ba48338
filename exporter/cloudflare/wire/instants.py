"""Instants as the API writes them: RFC 3339, in any offset, `t` and `z` in either case.

Digits beyond the microsecond are rounded away: a float of Unix seconds holds no more.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""The type to decode an instant as; one without an offset is refused, for it names no moment."""


unix_seconds: Callable[[datetime], float] = datetime.timestamp
"""Says an instant in Unix seconds; not a function of ours, because each row of a summary needs it."""


def known_unix_seconds(instant: datetime | None) -> float | None:
    """Like `unix_seconds`, where "never" is written as null or as the year 1.

    The year 1 is the zero value of Go's time type, and appears where an unset time is sent.
    """
    return None if instant is None or instant.year == 1 else unix_seconds(instant)
