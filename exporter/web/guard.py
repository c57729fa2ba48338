"""Who is answered: as often, with the certificate and with the password the web config asks for."""

from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
from aiohttp import web

from exporter.clock import Clock
from exporter.web.auth import BasicAuth, TooManyChecksError
from exporter.web.config import WebConfig
from exporter.web.rate import TokenBucket
from exporter.web.responses import Headers, answer_text

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="cloudflare-risk-exporter", charset="UTF-8"'}


class _Certificate(msgspec.Struct, rename="camel"):
    """A client's certificate as Python's ssl tells it, as far as it matters here."""

    subject_alt_name: tuple[tuple[str, object], ...] = ()


class Guard:
    """Refuses requests, before anything else looks at them. Made anew for each web config."""

    def __init__(self, config: WebConfig, clock: Clock) -> None:
        self._allowed_sans = config.allowed_sans
        self._auth = BasicAuth(config.users) if config.users else None
        self._bucket = TokenBucket(config.rate_limit, clock) if config.rate_limit else None

    async def refuse(self, request: web.BaseRequest, headers: Headers) -> web.Response | None:
        """Return the refusal of this request, or None where it may be answered."""
        if self._bucket and not self._bucket.take():
            return answer_text("Too many requests", status=429, headers=headers)
        if self._allowed_sans and not self._allowed_sans.intersection(_names_of_client(request)):
            return answer_text(
                "The client certificate bears no allowed name", status=403, headers=headers
            )
        return await self._refuse_stranger(request, headers) if self._auth else None

    async def _refuse_stranger(
        self, request: web.BaseRequest, headers: Headers
    ) -> web.Response | None:
        assert self._auth is not None
        try:
            if await self._auth.allows(request.headers.get("Authorization", "")):
                return None
        except TooManyChecksError:
            return answer_text(
                "Too many passwords to check",
                status=503,
                headers={**headers, "Retry-After": "5"},
            )
        return answer_text("Unauthorized", status=401, headers={**headers, **_CHALLENGE})


def _names_of_client(request: web.BaseRequest) -> Iterator[str]:
    """The Subject Alternative Names of the client's verified certificate, as Go writes them."""
    raw: object = request.get_extra_info("peercert")
    if not raw:
        return
    for kind, name in msgspec.convert(raw, _Certificate).subject_alt_name:
        if kind == "IP Address":
            yield str(ip_address(str(name)))
        elif kind in {"DNS", "email", "URI"}:
            yield str(name)
