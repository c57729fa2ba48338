"""From JSON to typed values, and from a decoder's complaint to an error that names the field.

No message repeats what stood in the answer: it may be somebody's name.
"""

import re
from typing import TypeVar

import msgspec

from exporter.errors import BadResponseError

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
