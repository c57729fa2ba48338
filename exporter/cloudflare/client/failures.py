"""aiohttp's exceptions as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import (
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    ClientSSLError,
    RequestInfo,
    ServerFingerprintMismatch,
)
from multidict import CIMultiDict, CIMultiDictProxy

from exporter.errors import BadResponseError, NetworkError, PollError, TimedOutError, TlsError

_LONGEST_REASON = 200


@contextmanager
def translated() -> Iterator[None]:
    """Raise a PollError instead of whatever the transport raised inside, chained to it."""
    try:
        yield
    except (ClientError, OSError) as error:
        raise _translation(error) from error


def _translation(error: ClientError | OSError) -> PollError:
    """Choose the narrowest of our errors; TimeoutError is an OSError and comes first."""
    if isinstance(error, TimeoutError):
        return TimedOutError("no whole answer in time")
    if isinstance(error, ClientSSLError | ServerFingerprintMismatch):
        return TlsError(_reason(error))
    if isinstance(error, ClientPayloadError):
        return BadResponseError("cut short", field="body")
    if isinstance(error, ClientResponseError):
        _forget_request(error)
        return BadResponseError(f"not HTTP as we know it ({error.message})", field="headers")
    return NetworkError(_reason(error))


def _reason(error: ClientError | OSError) -> str:
    """Say what happened; only the system's errors in words, for others quote what was received."""
    words = f": {error}" if isinstance(error, OSError) else ""
    return f"{type(error).__name__}{words}"[:_LONGEST_REASON]


def _forget_request(error: ClientResponseError) -> None:
    """Take the request's headers out of the error: its repr shows them, the token included."""
    known = error.request_info
    no_headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    error.request_info = RequestInfo(known.url, known.method, no_headers, known.real_url)
    error.args = (error.request_info, error.history)
