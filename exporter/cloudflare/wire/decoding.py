"""From JSON to typed values, and from a decoder's complaint to an error that names the field.

No message repeats received text, because it may be a person's name.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from exporter.errors import BadResponseError, ConfigurationError
from exporter.risk.model import LISTED_LEVELS, RiskLevel

T = TypeVar("T")

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that a decoder raises: not the expected JSON, not UTF-8, nested beyond reason."""

_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a pair: one character
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair alone: no character
    rb"|.)",
    re.DOTALL,
)
_PATH = re.compile(r"(?P<complaint>.*) - at `\$(?P<path>.*)`", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], data: bytes, *, at: str) -> T:
    """Decode the part of an answer that stands at the field `at`; "" is the whole answer.

    Raises BadResponseError naming the innermost field that is wrong.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _at_path(str(error), at) from error
    except msgspec.DecodeError as error:
        raise BadResponseError("not well-formed JSON", field=at or "body") from error
    except (UnicodeDecodeError, RecursionError) as error:
        # Not chained: these errors carry the answer itself.
        problem = type(error).__name__
    raise BadResponseError(f"cannot be decoded ({problem})", field=at or "body")


def without_lone_surrogates(data: bytes) -> bytes:
    r"""Replace every escape that is half a surrogate pair by U+FFFD; escapes stand for themselves.

    `\ud83d` alone is legal JSON but no Unicode text, so the decoder refuses the whole document
    for it, and nothing behind us could write it. A well-formed pair stays.
    """
    return _ESCAPE.sub(_replacement, data)


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a part of an answer is `null`, which is also how a missing one reads."""
    return len(memoryview(raw)) == len(b"null") and bytes(raw) == b"null"


def _replacement(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[2] else escape[0]


def _at_path(message: str, at: str) -> BadResponseError:
    parts = _PATH.fullmatch(message)
    if parts is None:
        return BadResponseError(message, field=at or "body")
    return BadResponseError(parts["complaint"], field=(at + parts["path"]).lstrip("."))


LEVELS: Final = {level.label: level for level in LISTED_LEVELS}
"""Every level there is a word for, by that word."""


def level_of(label: str) -> RiskLevel:
    """Read a level; one this version has no word for is `UNKNOWN`, never an error."""
    return LEVELS.get(label, RiskLevel.UNKNOWN)


def label_of(level: RiskLevel) -> str:
    """Spell a level to send; raises ConfigurationError where the API takes no such level."""
    if level not in LISTED_LEVELS:
        raise ConfigurationError(f"{level.label} cannot be set: choose from {', '.join(LEVELS)}")
    return level.label


Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""The type to decode an instant as; one without an offset is refused, for it names no moment."""


unix_seconds: Callable[[datetime], float] = datetime.timestamp
"""Says an instant in Unix seconds; not a function of ours, because each row of a summary needs it."""


def known_unix_seconds(instant: datetime | None) -> float | None:
    """Like `unix_seconds`, where "never" is written as null or as the year 1.

    The year 1 is the zero value of Go's time type, and appears where an unset time is sent.
    """
    return None if instant is None or instant.year == 1 else unix_seconds(instant)
