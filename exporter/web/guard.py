"""Request checks: Host header, rate limit, client certificate, password, and origin of a reload."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from exporter.clock import Clock
from exporter.web.auth import BasicAuth, TooManyChecksError
from exporter.web.config import RateLimit, WebConfig
from exporter.web.responses import Headers, answer_text

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="cloudflare-risk-exporter", charset="UTF-8"'}


RELOAD_PATH = "/-/reload"


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """The settings that concern requests. A reload may replace them.

    `allowed_hosts` are names and addresses in lower case, without ports.
    """

    allowed_hosts: tuple[str, ...] = ()
    enable_lifecycle: bool = False


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """The hosts by which clients may address this listener.

    A loopback listener accepts only loopback names, the configured host and the allowed hosts, so
    that a web page whose name resolves to 127.0.0.1 (DNS rebinding) cannot read the metrics. Any
    other listener accepts every host, because the exporter cannot know its names.
    """

    listen_host: str
    allowed: tuple[str, ...]
    is_loopback: bool

    def accepts(self, authority: str) -> bool:
        """Return whether to accept a request with this Host header."""
        return not self.is_loopback or self.includes(authority)

    def includes(self, authority: str) -> bool:
        """Return whether an authority (a host, optionally with a port) is a known name of this server."""
        host = _host_of(authority)
        return host in {"localhost", self.listen_host.lower(), *self.allowed} - {
            ""
        } or _is_loopback_address(host)


class _Certificate(msgspec.Struct, rename="camel"):
    """The part of a client certificate that is needed, in the form of Python's ssl module."""

    subject_alt_name: tuple[tuple[str, object], ...] = ()


class Guard:
    """Rejects requests before they reach a route. Created anew for each web configuration."""

    def __init__(
        self,
        config: WebConfig,
        *,
        hosts: OwnHosts,
        enable_lifecycle: bool,
        auth: BasicAuth,
        clock: Clock,
    ) -> None:
        self._hosts = hosts
        self._enable_lifecycle = enable_lifecycle
        self._allowed_sans = config.allowed_sans
        self._needs_password = bool(config.users)
        self._auth = auth
        self._bucket = TokenBucket(config.rate_limit, clock) if config.rate_limit else None

    async def refuse(self, request: web.BaseRequest, headers: Headers) -> web.Response | None:
        """Return the response that rejects this request, or None if the request is accepted."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) > 1 or not all(map(self._hosts.accepts, hosts)):
            return answer_text(
                "This Host is not accepted on a loopback address; the setting allowed_hosts"
                " (--allowed-hosts, RISK_EXPORTER_ALLOWED_HOSTS) adds names",
                status=403,
                headers=headers,
            )
        if self._bucket and not self._bucket.take():
            return answer_text("Too many requests", status=429, headers=headers)
        if self._allowed_sans and not self._allowed_sans.intersection(_names_of_client(request)):
            return answer_text(
                "The client certificate has no allowed name", status=403, headers=headers
            )
        refusal = await self._authenticate(request, headers) if self._needs_password else None
        return refusal or self._refuse_reload(request, headers)

    def _refuse_reload(self, request: web.BaseRequest, headers: Headers) -> web.Response | None:
        """Reject a reload if reloading is disabled, or if a page of another origin requests it."""
        if request.path != RELOAD_PATH or request.method != "POST":
            return None
        if not self._enable_lifecycle:
            return answer_text(
                "Reloading by HTTP is disabled; the setting enable_lifecycle (--enable-lifecycle,"
                " RISK_EXPORTER_ENABLE_LIFECYCLE) enables it, and SIGHUP always reloads",
                status=403,
                headers=headers,
            )
        if self._is_cross_origin(request):
            return answer_text(
                "A web page of another origin may not reload the configuration",
                status=403,
                headers=headers,
            )
        return None

    def _is_cross_origin(self, request: web.BaseRequest) -> bool:
        """Return whether the request's headers name a page of another origin.

        According to the Fetch standard, browsers send Origin with every POST, and Sec-Fetch-Site
        on trustworthy connections. Other programs send neither. It is not enough that Origin
        equals Host: after DNS rebinding, both name the foreign page. An address cannot be rebound.
        """
        site = request.headers.get("Sec-Fetch-Site", "none").strip().lower()
        if site not in {"none", "same-origin"}:
            return True
        host = request.headers.get("Host", "").strip().lower()
        return any(
            _authority_of(origin) != host
            or not (self._hosts.includes(host) or _is_address(_host_of(host)))
            for origin in request.headers.getall("Origin", [])
        )

    async def _authenticate(
        self, request: web.BaseRequest, headers: Headers
    ) -> web.Response | None:
        authorization = request.headers.get("Authorization", "")
        try:
            if await self._auth.allows(authorization, remote=request.remote):
                return None
        except TooManyChecksError:
            return answer_text(
                "Too many password checks are waiting",
                status=503,
                headers={**headers, "Retry-After": "5"},
            )
        return answer_text("Unauthorized", status=401, headers={**headers, **_CHALLENGE})


def _host_of(authority: str) -> str:
    """Return the host of an authority in lower case: no port, no brackets, no final dot."""
    text = authority.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host = text if text.count(":") > 1 else text.partition(":")[0]
    return host.removesuffix(".")


def _authority_of(origin: str) -> str:
    """Return host and port of an Origin header, or an empty string for `null` or an invalid URL."""
    try:
        return urlsplit(origin.strip().lower()).netloc
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback_address(host: str) -> bool:
    return _is_address(host) and ip_address(host).is_loopback


def _names_of_client(request: web.BaseRequest) -> Iterator[str]:
    """Yield the Subject Alternative Names of the client's verified certificate in Go's notation."""
    raw: object = request.get_extra_info("peercert")
    if not raw:
        return
    for kind, name in msgspec.convert(raw, _Certificate).subject_alt_name:
        if kind == "IP Address":
            yield str(ip_address(str(name)))
        elif kind in {"DNS", "email", "URI"}:
            yield str(name)


class TokenBucket:
    """A token bucket for rate limiting, initially full. Each accepted request takes one token."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._counted_at = clock.monotonic()

    def take(self) -> bool:
        """Take a token, or return False if there is none."""
        now = self._clock.monotonic()
        gained = (now - self._counted_at) / self._limit.interval_seconds
        self._tokens = min(self._tokens + gained, float(self._limit.burst))
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
