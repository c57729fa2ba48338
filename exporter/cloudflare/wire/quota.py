"""The quota headers of an answer, and Retry-After.

`Ratelimit` and `Ratelimit-Policy` are structured fields (RFC 9651) as in the IETF's httpapi draft:
a list of quoted names, each with parameters. A malformed item is skipped and is never an error,
because the rest of the answer is still usable.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """A limit of `limit` requests in any `window_seconds`."""

    name: str
    limit: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """The remaining quota: `remaining` requests until the window resets in `reset_seconds`."""

    name: str
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class QuotaHeaders:
    """The quota headers of one answer. Either may be empty, and a name may be in only one."""

    policies: tuple[QuotaPolicy, ...] = ()
    left: tuple[QuotaLeft, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The API refuses requests for `seconds`; `is_capped` if it asked for more than an hour."""

    seconds: float
    is_capped: bool = False


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ITEM = re.compile(rf'(?:[^,"]|{_QUOTED}|")+')
_PARTS = re.compile(
    rf"\s*(?P<name>{_QUOTED}|[A-Za-z*][\w.:%*/~!#$&'^`|+-]*)\s*(?P<parameters>;.*)?", re.ASCII
)
_PARAMETER = re.compile(rf'\s*(?P<key>[a-z*][a-z0-9_.*-]*)\s*=\s*(?P<value>[^\s"]+|{_QUOTED})\s*')
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,6})?", re.ASCII)
_SECONDS = re.compile(r"\d{1,18}(?:\.\d{1,6})?", re.ASCII)

LONGEST_RETRY_AFTER_SECONDS = 3600.0
"""Cloudflare documents at most 300 s. A longer Retry-After is capped, because a mistake in one
header would otherwise stop the exporter for years."""


def read_quota(headers: Mapping[str, str]) -> QuotaHeaders | None:
    """Read both headers, whose names are in lower case; return None if both have no valid item."""
    policies = _read(headers.get("ratelimit-policy", ""), _policy)
    left = _read(headers.get("ratelimit", ""), _left)
    return QuotaHeaders(policies=policies, left=left) if policies or left else None


def read_retry_after(headers: Mapping[str, str], *, now: float) -> RetryAfter | None:
    """Read Retry-After, written as seconds or as an HTTP date; a date in the past is 0.

    `now` is in Unix seconds. Return None if the header is missing or malformed.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return _capped(float(text))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return _capped(max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now))


def _capped(seconds: float) -> RetryAfter:
    is_capped = seconds > LONGEST_RETRY_AFTER_SECONDS
    return RetryAfter(min(seconds, LONGEST_RETRY_AFTER_SECONDS), is_capped=is_capped)


def _read(header: str, read_item: Callable[[str, Mapping[str, float]], T | None]) -> tuple[T, ...]:
    items = (read_item(name, numbers) for name, numbers in _items(header))
    return tuple(item for item in items if item is not None)


def _items(header: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    for item in _ITEM.findall(header):
        parts = _PARTS.fullmatch(item)
        if parts is not None:
            yield _unquoted(parts["name"]), dict(_numbers(parts["parameters"] or ""))


def _numbers(parameters: str) -> Iterator[tuple[str, float]]:
    for text in parameters.split(";"):
        parameter = _PARAMETER.fullmatch(text)
        if parameter is not None and _NUMBER.fullmatch(parameter["value"]):
            yield parameter["key"], float(parameter["value"])


def _policy(name: str, numbers: Mapping[str, float]) -> QuotaPolicy | None:
    limit, window = numbers.get("q"), numbers.get("w")
    if limit is None or not limit.is_integer() or not window:
        return None
    return QuotaPolicy(name, limit=int(limit), window_seconds=window)


def _left(name: str, numbers: Mapping[str, float]) -> QuotaLeft | None:
    remaining, reset = numbers.get("r"), numbers.get("t")
    if remaining is None or not remaining.is_integer() or reset is None:
        return None
    return QuotaLeft(name, remaining=int(remaining), reset_seconds=reset)


def _unquoted(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name
