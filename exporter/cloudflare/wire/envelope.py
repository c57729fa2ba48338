"""The envelope around every answer, and what it takes to believe what is inside."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

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
"""More pages than this are a mistake of somebody's, not an account."""

_MOST_EXPLANATIONS = 3
_LONGEST_EXPLANATION = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of an answer, of `total`; an answer that speaks of no pages is the only one."""

    value: T
    total: int = 1


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """The rows that could be read, and how many could not."""

    values: tuple[T, ...]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """One of the envelope's errors, cleaned and cut to a length a log line can bear."""

    code: int | None
    text: str


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
    """Take the result out of a good answer; it is never null.

    Raises BadResponseError for HTML, truncated JSON, `success` false or missing, no result.
    """
    return open_page(body, page=1).value


def open_page(body: bytes, *, page: int) -> Page[Raw]:
    """Take out the result like `open_result`, and how many pages there are.

    Refuses another page than the one asked for: reading it as ours would lose rows unseen.
    """
    envelope = _open(body)
    if is_null(envelope.result):
        raise BadResponseError("null or missing", field="result")
    info = decode(_PAGE_INFO, envelope.result_info, at="result_info") or _PageInfo()
    if info.page is not None and info.page != page:
        raise BadResponseError(f"{info.page} where {page} was asked", field="result_info.page")
    total = 1 if info.total_pages is None else info.total_pages
    if not 0 <= total <= MOST_PAGES:
        raise BadResponseError(f"{total} is not believable", field="result_info.total_pages")
    return Page(envelope.result, total=max(total, 1))


def check_success(body: bytes) -> None:
    """Believe an answer whose result means nothing; an empty body (204) is also a yes."""
    if body:
        _open(body)


def explanations(body: bytes) -> tuple[Explanation, ...]:
    """Read the envelope's errors, as far as they can be read; of anything else, nothing."""
    try:
        errors = _ERRORS.decode(without_lone_surrogates(body)).errors or []
    except UNDECODABLE:
        return ()
    return tuple(_readable(errors[:_MOST_EXPLANATIONS]))


def printable(text: str, *, longest: int = _LONGEST_EXPLANATION) -> str:
    """Cut a text from outside to `longest` characters, none of which can steer a terminal."""
    cleaned = "".join(c if c.isprintable() else " " for c in text[:longest])
    return cleaned + ("..." if len(text) > longest else "")


def _open(body: bytes) -> _Envelope:
    envelope = decode(_ENVELOPE, _repaired(body), at="")
    if not envelope.success:
        codes = ", ".join(str(found.code) for found in explanations(body)) or "none"
        raise BadResponseError(f"false with a good status; codes: {codes}", field="success")
    return envelope


def _repaired(body: bytes) -> bytes:
    """Repair half surrogate pairs, but only where there are any: they are rare and bodies long."""
    return without_lone_surrogates(body) if rb"\ud" in body or rb"\uD" in body else body


def _readable(errors: list[Raw]) -> Iterator[Explanation]:
    for raw in errors:
        try:
            error = _ERROR.decode(raw)
        except UNDECODABLE:
            continue
        yield Explanation(error.code, _sentence(error))


def _sentence(error: _Error) -> str:
    parts = [] if error.code is None else [f"code {error.code}"]
    parts += [printable(error.message)] if error.message else []
    pointer = _pointer(error.source)
    parts += [f"at {printable(pointer)}"] if pointer else []
    return " ".join(parts)


def _pointer(source: Raw) -> str | None:
    try:
        decoded = _SOURCE.decode(source)
    except UNDECODABLE:
        return None
    return decoded.pointer if decoded is not None else None
