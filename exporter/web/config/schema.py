"""What may stand in the web configuration file, and in which form.

The format is the exporter-toolkit's own:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
What it allows and this server cannot do is refused here by name, never ignored;
docs/deployment.md lists the differences.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal

import bcrypt
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from exporter.settings.values import read_duration

_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$([./A-Za-z0-9]{53})", re.ASCII)
# A check at cost 14 takes about a second, three on a busy machine, and each step doubles that.
# A check that runs and the next one have to fit into the ten seconds of a scrape or of a stop.
_LOWEST_COST, _HIGHEST_COST = 4, 14
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


class ClientAuth(StrEnum):
    """Go's policies for client certificates."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    REQUIRE_ANY_OLD_NAME = "RequireClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


def _verifying(policy: ClientAuth) -> ClientAuth:
    if policy in {ClientAuth.REQUIRE_ANY, ClientAuth.REQUIRE_ANY_OLD_NAME}:
        raise ValueError(
            f"{policy} is not supported: Python's ssl accepts no client certificate without"
            f" verifying it; use {ClientAuth.REQUIRE_AND_VERIFY}"
        )
    return policy


def _modern(version: str) -> str:
    if version in {"TLS10", "TLS11"}:
        raise ValueError(f"{version} is not offered; use TLS12 or TLS13")
    return version


def _text(value: object) -> object:
    """Return numbers and booleans as text, as Go's YAML library does where it expects a string."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _header(value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise ValueError("must be printable ASCII")
    return value


def _one_of(*allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if value and value not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return value

    return AfterValidator(check)


def _bcrypt_hash(secret: SecretStr) -> SecretStr:
    match = _BCRYPT.fullmatch(secret.get_secret_value())
    if match is None:
        raise ValueError("not a bcrypt hash; htpasswd -nBC 10 NAME prints one")
    if not _LOWEST_COST <= int(match[1]) <= _HIGHEST_COST:
        raise ValueError(
            f"the bcrypt cost is {match[1]}; costs from {_LOWEST_COST} to {_HIGHEST_COST} are"
            " accepted, because each check at a higher one takes seconds; make another hash of"
            " the password, with htpasswd -nBC 10 NAME"
        )
    try:
        # At the lowest cost, because only the form is checked: bits of the salt may be invalid.
        bcrypt.checkpw(b"", f"$2b$04${match[2]}".encode("ascii"))
    except ValueError:
        raise ValueError("not a bcrypt hash; htpasswd -nBC 10 NAME prints one") from None
    return secret


def _user_name(name: str) -> str:
    if not name or ":" in name:
        raise ValueError("a user's name must not be empty nor hold a colon")
    return name


def _interval(value: object) -> float:
    if isinstance(value, str | int) and value in {0, "0", "0s"}:
        return 0.0
    try:
        return read_duration(value)
    except ValueError:
        # Without the value, which the reader of settings would quote.
        raise ValueError("must be 0 or a duration such as 500ms or 15s") from None


_TlsVersion = Annotated[
    Literal["TLS10", "TLS11", "TLS12", "TLS13"],
    AfterValidator(_modern),
]
_Header = Annotated[str, BeforeValidator(_text), AfterValidator(_header)]
Curve = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSection(_Section):
    """`tls_server_config`; paths are relative to the file's folder."""

    cert: str = ""
    key: SecretStr = SecretStr("")
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: Annotated[ClientAuth, AfterValidator(_verifying)] = ClientAuth.NONE
    client_ca_file: str = ""
    client_allowed_sans: list[str] = Field(default_factory=list)
    min_version: _TlsVersion = "TLS12"
    max_version: _TlsVersion = "TLS13"
    cipher_suites: list[str] = Field(default_factory=list)
    prefer_server_cipher_suites: bool = True
    curve_preferences: list[Curve] = Field(default_factory=list)


class HeadersSection(_Section):
    """`http_server_config.headers`; None is not written, empty is: do not send it."""

    content_security_policy: _Header | None = Field(default=None, alias="Content-Security-Policy")
    frame_options: Annotated[_Header, _one_of("deny", "sameorigin")] | None = Field(
        default=None, alias="X-Frame-Options"
    )
    content_type_options: Annotated[_Header, _one_of("nosniff")] | None = Field(
        default=None, alias="X-Content-Type-Options"
    )
    xss_protection: _Header | None = Field(default=None, alias="X-XSS-Protection")
    strict_transport_security: _Header | None = Field(
        default=None, alias="Strict-Transport-Security"
    )


class HttpSection(_Section):
    """`http_server_config`; `http2` is on by default, as in the exporter-toolkit, and unused."""

    http2: bool = True
    headers: HeadersSection = HeadersSection()


class RateLimitSection(_Section):
    """`rate_limit`; an interval of zero is no limit, a burst of zero refuses every request."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: int = Field(default=0, ge=0)


class WebConfigFile(_Section):
    """The whole file; an empty one means plain HTTP for everybody."""

    tls_server_config: TlsSection | None = None
    http_server_config: HttpSection = HttpSection()
    rate_limit: RateLimitSection = RateLimitSection()
    basic_auth_users: dict[
        Annotated[str, BeforeValidator(_text), AfterValidator(_user_name)],
        Annotated[SecretStr, AfterValidator(_bcrypt_hash)],
    ] = Field(default_factory=dict)
