"""Translates aiohttp's exceptions into PollErrors that name the host, the setting and what to check.

aiohttp's own messages are not used, because they contain received bytes and the proxy's
credentials.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientPayloadError,
    ClientResponseError,
    ClientSSLError,
    ConnectionTimeoutError,
    RequestInfo,
    ServerDisconnectedError,
    ServerFingerprintMismatch,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from exporter.cloudflare.client.session import Proxy
from exporter.errors import BadResponseError, NetworkError, PollError, TimedOutError, TlsError

_PROXY_AUTHENTICATION_REQUIRED = 407


@dataclass(frozen=True, slots=True)
class Route:
    """The hosts (`HOST:PORT`) and time limits of a request, as messages name them."""

    api: str
    proxy: str | None
    proxy_variable: str
    timeout_seconds: float
    connect_seconds: float

    @classmethod
    def to(
        cls, url: URL, proxy: Proxy | None, *, timeout_seconds: float, connect_seconds: float
    ) -> "Route":
        """Return the route to a URL, through a proxy if one is given."""
        return cls(
            _endpoint(url),
            None if proxy is None else _endpoint(proxy.url),
            f"{url.scheme.upper()}_PROXY",
            timeout_seconds,
            connect_seconds,
        )

    @property
    def peer(self) -> str:
        """The host that connections are opened to."""
        return self.api if self.proxy is None else f"the proxy {self.proxy}"

    @property
    def remedy(self) -> str:
        """What to check if the peer cannot be reached."""
        if self.proxy is not None:
            return f"check {self.proxy_variable} and the network"
        return f"check --api-url, the network and {self.proxy_variable}"

    @property
    def dns_remedy(self) -> str:
        """What to check if the peer's name cannot be resolved."""
        if self.proxy is not None:
            return f"check {self.proxy_variable} and DNS"
        return f"check --api-url, DNS and {self.proxy_variable}"


@contextmanager
def translated(route: Route) -> Iterator[None]:
    """Translate transport errors raised in the block; the PollError is chained to the original."""
    try:
        yield
    except (ClientError, OSError) as error:
        raise _translation(error, route) from error


def _translation(error: ClientError | OSError, route: Route) -> PollError:
    """Choose the narrowest class. Several of aiohttp's errors are OSErrors, so they come first."""
    if isinstance(error, TimeoutError):
        return _timeout(error, route)
    if isinstance(error, ClientSSLError | ServerFingerprintMismatch | ssl.SSLError):
        return _tls(error, route)
    if isinstance(error, ClientPayloadError):
        return BadResponseError("cut short", field="body")
    if isinstance(error, ClientResponseError):
        return _response(error, route)
    return NetworkError(_network_problem(error, route))


def _network_problem(error: ClientError | OSError, route: Route) -> str:
    if isinstance(error, ClientConnectorDNSError):
        host = route.peer.rpartition(":")[0]
        return f"cannot resolve {host}; {route.dns_remedy}"
    if isinstance(error, ClientConnectorError):
        return f"cannot connect to {route.peer}{_cause(error)}; {route.remedy}"
    if isinstance(error, ServerDisconnectedError):
        return f"{route.peer} closed the connection before it answered"
    if isinstance(error, OSError):
        return f"the connection to {route.peer} broke{_cause(error)}"
    return f"the request to {route.peer} failed; {route.remedy}"


def _timeout(error: TimeoutError, route: Route) -> TimedOutError:
    if isinstance(error, ConnectionTimeoutError):
        return TimedOutError(
            f"no connection to {route.peer} within {route.connect_seconds:g} s"
            f" (at most 10 s of --api-timeout); {route.remedy}"
        )
    return TimedOutError(
        f"no complete answer from {route.api} within {route.timeout_seconds:g} s (--api-timeout);"
        " check the network or raise the limit"
    )


def _tls(error: Exception, route: Route) -> TlsError:
    if isinstance(error, ClientConnectorCertificateError):
        inner = error.certificate_error
        # OpenSSL's text, which contains at most the requested host name and no received bytes.
        words = getattr(inner, "verify_message", "") or "not valid"
        return TlsError(
            f"the certificate of {route.api} cannot be verified ({words.lower()}); check the"
            f" clock, SSL_CERT_FILE and {route.proxy_variable}"
        )
    return TlsError(
        f"no TLS connection to {route.api}; check --api-url, and {route.proxy_variable} for a proxy"
        " that intercepts TLS"
    )


def _response(error: ClientResponseError, route: Route) -> PollError:
    _forget_request(error)
    if not isinstance(error, ClientHttpProxyError):
        return BadResponseError(f"{route.peer} does not answer in valid HTTP", field="headers")
    advice = (
        f"put user and password into {route.proxy_variable}"
        if error.status == _PROXY_AUTHENTICATION_REQUIRED
        else f"check {route.proxy_variable} and the proxy's rules"
    )
    return NetworkError(
        f"{route.peer} refuses connections to {route.api} (HTTP {error.status}); {advice}"
    )


def _cause(error: OSError) -> str:
    """Return the system's name of the error in parentheses, or ""."""
    inner = error.os_error if isinstance(error, ClientConnectorError) else error
    if inner.errno is None or inner.errno <= 0:
        return ""
    return f" ({os.strerror(inner.errno).lower()})"


def _endpoint(url: URL) -> str:
    host = url.host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def _forget_request(error: ClientResponseError) -> None:
    """Remove the request's headers from the error, because its repr shows the token."""
    known = error.request_info
    no_headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    error.request_info = RequestInfo(known.url, known.method, no_headers, known.real_url)
    error.args = (error.request_info, error.history)
