"""The envelope of every answer, and the checks before its result is used."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from exporter.cloudflare.wire.decoding import (
    UNDECODABLE,
    decode,
    is_null,
    without_lone_surrogates,
)
from exporter.errors import BadResponseError

T = TypeVar("T")

MOST_PAGES = 1000
"""An answer with more pages is rejected as a mistake."""

MOST_VALUES = 500_000
"""The most commas in what is decoded in one piece. A list of zeros takes two bytes per value on the wire
and more than sixty in memory."""

KNOWN_CODES: Final[Mapping[int, str]] = {
    971: "too many requests",
    6003: "invalid request headers",
    7000: "no route for this request",
    7003: "no route for this request",
    9106: "authentication headers are missing",
    9109: "invalid access token, or no access to this resource",
    10000: "authentication error",
}
"""Meanings of error codes, from Cloudflare's documentation and public bug reports."""

_MOST_EXPLANATIONS = 3
_LONGEST_EXPLANATION = 200
_LONGEST_ERRORS = 64 * 1024
_LARGEST_CODE = 10**9

_PRIVATE = re.compile(
    r"[^\s\"'<>()]+@[^\s\"'<>()]+"  # an email
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"  # a UUID
    r"|[0-9A-Za-z_-]{24,}"  # a token, an account id
    r"|\"[^\"]*\"?|'[^']*'?|`[^`]*`?|\u201c[^\u201d]*\u201d?|\u2018[^\u2019]*\u2019?",  # a quoted value
    re.IGNORECASE,
)
_POINTER = re.compile(r"[A-Za-z0-9_./\[\]-]{1,80}")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One of `total` pages. An answer without page information is the only page."""

    value: T
    total: int = 1


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """The readable rows of an answer, and the number of unreadable ones."""

    values: tuple[T, ...]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """One of the envelope's errors.

    `text` is as received. It may name a user and is never shown.
    """

    code: int | None
    text: str = field(repr=False)
    pointer: str | None = None

    def known(self) -> str:
        """Return the code and its known meaning, or "" without a code. Contains no received text."""
        if self.code is None:
            return ""
        text = KNOWN_CODES.get(self.code)
        return f"code {self.code}" if text is None else f"code {self.code} {text}"

    def quoted(self) -> str:
        """Return the code and the API's text, shortened and with possible values replaced by `…`."""
        parts = [] if self.code is None else [f"code {self.code}"]
        parts += [_PRIVATE.sub("…", printable(self.text))] if self.text else []
        parts += [f"at {self.pointer}"] if self.pointer else []
        return " ".join(parts)


class _Envelope(Struct, frozen=True):
    success: bool
    errors: Raw = Raw(b"null")
    result: Raw = Raw(b"null")
    result_info: Raw = Raw(b"null")


class _PageInfo(Struct, frozen=True):
    page: int | None = None
    total_pages: int | None = None


class _Source(Struct, frozen=True):
    pointer: str | None = None


class _Error(Struct, frozen=True):
    code: int | None = None
    message: str | None = None
    source: Raw = Raw(b"null")


class _Errors(Struct, frozen=True):
    errors: list[Raw] | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_PAGE_INFO = msgspec.json.Decoder(_PageInfo | None)
_ERRORS = msgspec.json.Decoder(_Errors)
_ERROR = msgspec.json.Decoder(_Error)
_SOURCE = msgspec.json.Decoder(_Source | None)


def open_result(body: bytes) -> Raw:
    """Return the result of a good answer, which is never null.

    Raises BadResponseError for HTML, truncated JSON, `success` false or missing, no result.
    """
    return open_page(body, page=1).value


def open_page(body: bytes, *, page: int) -> Page[Raw]:
    """Return the result like `open_result`, with the number of pages.

    Raises BadResponseError for another page than the requested one, whose rows would replace it.
    """
    envelope = _open(body)
    if is_null(envelope.result):
        raise BadResponseError("null or missing", field="result")
    info = decode(_PAGE_INFO, envelope.result_info, at="result_info") or _PageInfo()
    if info.page is not None and info.page != page:
        raise BadResponseError(f"not the requested page {page}", field="result_info.page")
    total = 1 if info.total_pages is None else info.total_pages
    if not 0 <= total <= MOST_PAGES:
        raise BadResponseError(f"not 0 to {MOST_PAGES}", field="result_info.total_pages")
    return Page(envelope.result, total=max(total, 1))


def check_success(body: bytes) -> None:
    """Raise BadResponseError unless the answer is a success. Accepts an empty body (204)."""
    if body:
        _open(body)


def explanations(body: bytes) -> tuple[Explanation, ...]:
    """Return the readable ones of the envelope's first errors."""
    if len(body) > _LONGEST_ERRORS:
        return ()
    try:
        errors = _ERRORS.decode(without_lone_surrogates(body)).errors or []
    except UNDECODABLE:
        return ()
    return tuple(_readable(errors[:_MOST_EXPLANATIONS]))


def printable(text: str, *, longest: int = _LONGEST_EXPLANATION) -> str:
    """Shorten a text to `longest` characters and replace unprintable ones by spaces."""
    cleaned = "".join(c if c.isprintable() else " " for c in text[:longest])
    return cleaned + ("..." if len(text) > longest else "")


def check_size(data: bytes, *, field: str) -> None:
    """Raise BadResponseError for more than `MOST_VALUES` values. Call before decoding."""
    if data.count(b",") > MOST_VALUES:
        raise BadResponseError("too many values", field=field)


def _open(body: bytes) -> _Envelope:
    check_size(body, field="body")
    envelope = decode(_ENVELOPE, _repaired(body), at="")
    if not envelope.success:
        codes = ", ".join(str(found.code) for found in explanations(body)) or "none"
        raise BadResponseError(f"false with a good status; codes: {codes}", field="success")
    _refuse_duplicates(body)
    return envelope


_UNIQUE_BELOW: Final = {"result": ("behaviors",), "result_info": ()}
"""Objects below the envelope whose keys must be unique, with the objects in them to check."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """A duplicate key of an object, and its members to check."""

    twice: str | None = None
    inner: Mapping[str, "_Keys"] = field(default_factory=dict)


_NOTHING_TWICE = _Keys()
_INNER = frozenset({"result", "result_info", "behaviors"})


def _refuse_duplicates(body: bytes) -> None:
    """Raise BadResponseError for a duplicate key, of which a decoder would use only one.

    Checks the envelope, `result`, `result_info` and the map of behaviors, but not rows and events.
    `body` is valid JSON. It is read as Latin-1, which needs one byte per character and does not
    change ASCII keys.
    """
    try:
        keys: object = json.loads(
            body.decode("latin-1"), object_pairs_hook=_keys_of, parse_int=len, parse_float=len
        )
    except RecursionError:
        keys = None
    if keys is None:
        raise BadResponseError("nested too deeply", field="body")
    if isinstance(keys, _Keys):
        _refuse_in(keys, "", ("result", "result_info"))


def _keys_of(pairs: list[tuple[str, object]]) -> _Keys:
    names = [name for name, _ in pairs]
    twice = None
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
    inner = {name: value for name, value in pairs if name in _INNER and isinstance(value, _Keys)}
    return _Keys(twice, inner) if twice is not None or inner else _NOTHING_TWICE


def _refuse_in(keys: _Keys, at: str, inner: Collection[str]) -> None:
    if keys.twice is not None:
        # The message contains documented names only. Any other name is received text.
        name = keys.twice if keys.twice in _DOCUMENTED else "a key"
        raise BadResponseError("duplicate key", field=f"{at}.{name}".lstrip("."))
    for name in inner:
        if name in keys.inner:
            _refuse_in(keys.inner[name], f"{at}.{name}".lstrip("."), _UNIQUE_BELOW.get(name, ()))


_DOCUMENTED: Final = frozenset(
    {
        *("success", "errors", "result", "result_info", "page", "total_pages"),
        *("users", "events", "risk_level", "last_reset_time", "behaviors"),
    }
)


def _repaired(body: bytes) -> bytes:
    """Replace lone surrogates. Skips the slow search in a body without escaped surrogates."""
    return without_lone_surrogates(body) if rb"\ud" in body or rb"\uD" in body else body


def _readable(errors: list[Raw]) -> Iterator[Explanation]:
    for raw in errors:
        try:
            error = _ERROR.decode(raw)
        except UNDECODABLE:
            continue
        is_code = error.code is not None and 0 <= error.code < _LARGEST_CODE
        code = error.code if is_code else None
        yield Explanation(code, error.message or "", _pointer(error.source))


def _pointer(source: Raw) -> str | None:
    try:
        decoded = _SOURCE.decode(source)
    except UNDECODABLE:
        return None
    pointer = decoded.pointer if decoded is not None else None
    is_plain = pointer is not None and _POINTER.fullmatch(pointer) is not None
    return pointer if is_plain and pointer and not _PRIVATE.search(pointer) else None
