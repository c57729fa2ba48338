"""The TLS section of the web configuration file, and the TLS context of a server."""

import base64
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from exporter.logs import get_logger

_log = get_logger(__name__)


class Section(BaseModel):
    """A section of the web configuration file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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


_TlsVersion = Annotated[
    Literal["TLS10", "TLS11", "TLS12", "TLS13"],
    AfterValidator(_modern),
]
Curve = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]


class TlsSection(Section):
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


# Go's names, of https://pkg.go.dev/crypto/tls#CipherSuites, and OpenSSL's.
_TLS12_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
# Always enabled, in Go as in OpenSSL; listing them has no effect.
_TLS13_SUITES = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
_PEM_CERTIFICATE = re.compile(
    r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END"
)
_VERSION_TAG, _UTC_TIME_TAG, _LONG_LENGTH = 0xA0, 0x17, 0x80
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES: Mapping[Curve, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
_HTTP2_SUITES = frozenset(
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}
)
_VERIFYING = {
    ClientAuth.NONE: ssl.CERT_NONE,
    # Without verification, requesting a certificate has no effect.
    ClientAuth.REQUEST: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE_AND_VERIFY: ssl.CERT_REQUIRED,
}


class _Handshake(ssl.SSLObject):
    """A handshake that sends its alert, and logs one line, if it fails.

    An event loop that sees the error drops the connection together with unsent data. The error is
    therefore withheld once: the event loop sends the alert, and receives the error when the peer
    next sends data or disconnects, or when the time limit of the handshake has passed.
    """

    outgoing: ssl.MemoryBIO
    _refusal: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Continue the handshake. Raises SSLError if either side rejects it."""
        if self._refusal is not None:
            raise self._refusal
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            self._refusal = error
            # Both are constants of OpenSSL; neither contains received data.
            detail = getattr(error, "verify_message", None)
            _log.debug("tls.refused", reason=error.reason, detail=detail)
            if self.outgoing.pending:
                raise ssl.SSLWantReadError from None
            raise


class _ServerContext(ssl.SSLContext):
    """A TLS context that uses `_Handshake`."""

    sslobject_class = _Handshake

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002  # as in ssl.SSLContext
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the TLS object of one connection, with access to its outgoing data."""
        wrapped = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(wrapped, _Handshake)
        wrapped.outgoing = outgoing
        return wrapped


def build_tls_context(section: TlsSection, folder: Path) -> tuple[ssl.SSLContext, float]:
    """Read certificates and keys. Return the TLS context and the certificate's expiry.

    The expiry is a Unix timestamp. Raises ValueError, whose message begins with the invalid option
    and contains no key material.
    """
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _set_versions(context, section)
    _set_ciphers(context, section)
    expiry = _load_certificate(context, section, folder)
    _set_client_auth(context, section, folder)
    return context, expiry


def require_http2_suite(section: TlsSection) -> None:
    """Reject cipher suites with which the exporter-toolkit does not start with HTTP/2 enabled.

    This server supports only HTTP/1.1, but a file that it accepts should work for other exporters
    too. Raises ValueError as build_tls_context does.
    """
    suites = section.cipher_suites
    if suites and section.min_version != "TLS13" and _HTTP2_SUITES.isdisjoint(suites):
        raise ValueError(
            f"cipher_suites: HTTP/2 needs {' or '.join(sorted(_HTTP2_SUITES))}; add one, or write"
            " http2: false in http_server_config"
        )


def _set_versions(context: ssl.SSLContext, section: TlsSection) -> None:
    if section.min_version > section.max_version:
        raise ValueError(f"max_version: below min_version, which is {section.min_version}")
    context.minimum_version = _VERSIONS[section.min_version]
    context.maximum_version = _VERSIONS[section.max_version]


def _set_ciphers(context: ssl.SSLContext, section: TlsSection) -> None:
    if section.cipher_suites:
        suites = _tls12_suites(section.cipher_suites)
        if suites:
            context.set_ciphers(":".join(suites))
        elif section.min_version == "TLS12":
            raise ValueError("cipher_suites: none is of TLS 1.2; write min_version: TLS13")
    if not section.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _set_curve(context, section.curve_preferences)


def _set_curve(context: ssl.SSLContext, preferences: Sequence[Curve]) -> None:
    """Offer one of the listed curves, or OpenSSL's own list if all four or none are listed.

    Python's ssl can restrict a context to one curve only. Of several, P-256 is offered, which
    every client of TLS 1.3 has to support (RFC 8446, 9.1); without it, the first one that ssl
    accepts. Before Python 3.11.3, that is not X25519.
    """
    if not preferences or set(preferences) == set(_CURVES):
        return
    for curve in sorted(preferences, key=lambda one: one != "CurveP256"):
        with suppress(ssl.SSLError):
            context.set_ecdh_curve(_CURVES[curve])
            return
    raise ValueError(
        f"curve_preferences: this Python cannot restrict TLS to {preferences[0]}; add CurveP256"
    )


def _tls12_suites(names: Sequence[str]) -> list[str]:
    known = [*_TLS12_SUITES, *_TLS13_SUITES]
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = (
                f"{name} is not one; the nearest is {nearest[0]}" if nearest else "one is unknown"
            )
            raise ValueError(f"cipher_suites: {hint} (Go's names of its secure suites)")
    return [_TLS12_SUITES[name] for name in names if name in _TLS12_SUITES]


def _load_certificate(context: ssl.SSLContext, section: TlsSection, folder: Path) -> float:
    """Load certificate and key, and return the certificate's expiry."""
    with ExitStack() as files:
        cert = _as_file(files, folder, "cert", written=section.cert, path=section.cert_file)
        key = _as_file(
            files, folder, "key", written=section.key.get_secret_value(), path=section.key_file
        )
        try:
            # An encrypted key must be an error, not a prompt on the terminal.
            context.load_cert_chain(cert, key, password=_no_password)
        except ssl.SSLError as error:
            raise ValueError(
                f"cert_file, key_file: not a certificate and its key in PEM ({error.reason})"
            ) from error
        return read_certificate_expiry(cert.read_text(encoding="utf-8", errors="replace"))


def read_certificate_expiry(pem: str) -> float:
    """Return the expiry of the first certificate in a PEM text as a Unix timestamp.

    A certificate is DER (RFC 5280, 4.1). Python's ssl exposes the fields of peer certificates
    only. Raises ValueError if there is no certificate or it cannot be parsed.
    """
    match = _PEM_CERTIFICATE.search(pem)
    if match is None:
        raise ValueError("cert_file: holds no certificate in PEM")
    try:
        fields = _elements(next(_elements(base64.b64decode(match[1])))[1])
        inside = [*_elements(next(fields)[1])]
        # The optional version comes first, then serial number, algorithm and issuer.
        validity = inside[4 if inside[0][0] == _VERSION_TAG else 3]
        tag, text = [*_elements(validity[1])][1]
        return _timestamp(tag, text.decode("ascii"))
    except (ValueError, IndexError, StopIteration):
        raise ValueError("cert_file: the certificate has no readable validity") from None


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER element."""
    position = 0
    while position < len(data):
        tag, length, position = data[position], data[position + 1], position + 2
        if length & _LONG_LENGTH:
            size = length & ~_LONG_LENGTH
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        yield tag, data[position : position + length]
        position += length


def _timestamp(tag: int, text: str) -> float:
    if tag == _UTC_TIME_TAG:
        # RFC 5280, 4.1.2.5.1: years from 50 on belong to the twentieth century.
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _no_password() -> str:
    raise ValueError("key_file: the key is under a password; store it without one")


def _as_file(files: ExitStack, folder: Path, key: str, *, written: str, path: str) -> Path:
    """Return a readable file with the PEM text of `key`, or the file named by `key`_file."""
    if bool(written) == bool(path):
        raise ValueError(f"{key}_file: needed here, or {key}, and not both")
    if "-----BEGIN" in path:
        raise ValueError(f"{key}_file: holds PEM text instead of a path; write it as {key}")
    if path:
        return _readable(folder / path, f"{key}_file")
    # Python's ssl reads keys only from files. The directory is private and removed at once.
    file = Path(files.enter_context(TemporaryDirectory())) / key
    file.write_text(written, encoding="utf-8")
    return file


def _readable(path: Path, key: str) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{key}: {path} cannot be read: {error.strerror}") from error


def _set_client_auth(context: ssl.SSLContext, section: TlsSection, folder: Path) -> None:
    context.verify_mode = _VERIFYING[section.client_auth_type]
    has_ca = bool(section.client_ca or section.client_ca_file)
    if has_ca and section.client_auth_type is ClientAuth.NONE:
        raise ValueError("client_auth_type: client_ca_file has no effect without it")
    required = section.client_auth_type is ClientAuth.REQUIRE_AND_VERIFY
    if section.client_allowed_sans and not required:
        raise ValueError(
            f"client_allowed_sans: needs client_auth_type: {ClientAuth.REQUIRE_AND_VERIFY}"
        )
    if has_ca:
        _load_client_ca(context, section, folder)
    elif context.verify_mode is not ssl.CERT_NONE:
        # As in Go: the system's trusted roots.
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)


def _load_client_ca(context: ssl.SSLContext, section: TlsSection, folder: Path) -> None:
    # As in Go, every certificate in this file is trusted, including intermediates.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with ExitStack() as files:
        authorities = _as_file(
            files, folder, "client_ca", written=section.client_ca, path=section.client_ca_file
        )
        try:
            context.load_verify_locations(cafile=authorities)
        except ssl.SSLError as error:
            raise ValueError(f"client_ca_file: not certificates in PEM ({error.reason})") from error
