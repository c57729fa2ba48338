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
"""The errors of a decoder: unexpected JSON, invalid UTF-8, too many levels of nesting."""

_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a pair: one character
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair alone: no character
    rb"|.)",
    re.DOTALL,
)
_PATH = re.compile(r"(?P<complaint>.*) - at `\$(?P<path>.*)`", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[T], data: bytes, *, at: str) -> T:
    """Decode the part of an answer at the field `at`; "" is the whole answer.

    Raises BadResponseError, which names the innermost wrong field.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _at_path(str(error), at) from error
    except msgspec.DecodeError as error:
        raise BadResponseError("not well-formed JSON", field=at or "body") from error
    except (UnicodeDecodeError, RecursionError) as error:
        # Not chained: these errors contain the answer.
        problem = type(error).__name__
    raise BadResponseError(f"cannot be decoded ({problem})", field=at or "body")


def without_lone_surrogates(data: bytes) -> bytes:
    r"""Replace each escaped surrogate that is not part of a pair by an escaped U+FFFD.

    A lone `\ud83d` is valid JSON but not valid Unicode, and the decoder rejects the whole document.
    """
    return _ESCAPE.sub(_replacement, data)


def is_null(raw: msgspec.Raw) -> bool:
    """Return whether a part of an answer is `null` or missing."""
    return len(memoryview(raw)) == len(b"null") and bytes(raw) == b"null"


def _replacement(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[2] else escape[0]


def _at_path(message: str, at: str) -> BadResponseError:
    parts = _PATH.fullmatch(message)
    if parts is None:
        return BadResponseError(message, field=at or "body")
    return BadResponseError(parts["complaint"], field=(at + parts["path"]).lstrip("."))


LEVELS: Final = {level.label: level for level in LISTED_LEVELS}
"""The known levels by their label."""


def level_of(label: str) -> RiskLevel:
    """Return the level with this label, or `UNKNOWN`."""
    return LEVELS.get(label, RiskLevel.UNKNOWN)


def label_of(level: RiskLevel) -> str:
    """Return the label of a level; raise ConfigurationError if the API does not accept the level."""
    if level not in LISTED_LEVELS:
        raise ConfigurationError(f"{level.label} cannot be set: choose from {', '.join(LEVELS)}")
    return level.label


Instant: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""An RFC 3339 timestamp. One without an offset is rejected, because it is ambiguous."""


unix_seconds: Callable[[datetime], float] = datetime.timestamp
"""Converts a datetime to Unix seconds. An alias, because a wrapper would cost a call for every row."""


def known_unix_seconds(instant: datetime | None) -> float | None:
    """Return Unix seconds, or None for null and for the year 1.

    The year 1 is the zero value of Go's time type, which some servers send for an unset time.
    """
    return None if instant is None or instant.year == 1 else unix_seconds(instant)
