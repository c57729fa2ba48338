"""The web configuration file: its schema, and reading it into a WebConfig.

The format is the exporter-toolkit's own:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
Options that this server does not support are rejected by name, never ignored.
docs/deployment.md lists the differences.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import bcrypt
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from exporter.config_file import (
    ConfigFile,
    Origin,
    known_names,
    plain_message,
    problem,
    read_config_file,
    unknown_name,
)
from exporter.errors import ConfigurationError
from exporter.settings.values import read_duration
from exporter.web.tls import Section, TlsSection, build_tls_context, require_http2_suite

_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$([./A-Za-z0-9]{53})", re.ASCII)
# A check at cost 14 takes about one second, or three on a busy machine, and each step doubles
# that. The running check and the next must fit into the ten seconds of a scrape or a shutdown.
_LOWEST_COST, _HIGHEST_COST = 4, 14
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def _text(value: object) -> object:
    """Return numbers and booleans as text, as Go's YAML library does for a string field."""
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
        # Only the form is checked, so at the lowest cost: the salt may contain invalid bits.
        bcrypt.checkpw(b"", f"$2b$04${match[2]}".encode("ascii"))
    except ValueError:
        raise ValueError("not a bcrypt hash; htpasswd -nBC 10 NAME prints one") from None
    return secret


def _user_name(name: str) -> str:
    if not name or ":" in name:
        raise ValueError("a user name must not be empty or contain a colon")
    return name


def _interval(value: object) -> float:
    if isinstance(value, str | int) and value in {0, "0", "0s"}:
        return 0.0
    try:
        return read_duration(value)
    except ValueError:
        # Without the value, which the message of read_duration quotes.
        raise ValueError("must be 0 or a duration such as 500ms or 15s") from None


_Header = Annotated[str, BeforeValidator(_text), AfterValidator(_header)]


class HeadersSection(Section):
    """`http_server_config.headers`. None means not given; an empty value removes the header."""

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


class HttpSection(Section):
    """`http_server_config`. `http2` is accepted as in the exporter-toolkit, but unused."""

    http2: bool = True
    headers: HeadersSection = HeadersSection()


class RateLimitSection(Section):
    """`rate_limit`. An interval of zero means no limit; a burst of zero rejects every request."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: int = Field(default=0, ge=0)


class WebConfigFile(Section):
    """The whole file. An empty file means HTTP without TLS and authentication."""

    tls_server_config: TlsSection | None = None
    http_server_config: HttpSection = HttpSection()
    rate_limit: RateLimitSection = RateLimitSection()
    basic_auth_users: dict[
        Annotated[str, BeforeValidator(_text), AfterValidator(_user_name)],
        Annotated[SecretStr, AfterValidator(_bcrypt_hash)],
    ] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit of one request per `interval_seconds`, with bursts of up to `burst` requests."""

    interval_seconds: float
    burst: int


FileState = tuple[int, ...] | None
"""Device, inode, size and times of a file, or None if it is not accessible."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The TLS, authentication and header settings of a server. The default is plain HTTP.

    `headers` replace the common headers of the same name; one with an empty value is not sent.
    `users` maps names to bcrypt hashes; if there are any, a password is required. If
    `allowed_sans` is not empty, a client certificate must have one of these names.
    `certificate_expiry` is the Unix timestamp at which the server certificate expires. `files`
    are the files that were read, with the state of each just before.
    """

    tls: ssl.SSLContext | None = None
    certificate_expiry: float | None = None
    allowed_sans: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    rate_limit: RateLimit | None = None
    files: Mapping[Path, FileState] = field(default_factory=dict)
    tls_section: TlsSection | None = field(default=None, repr=False)

    def is_outdated(self) -> bool:
        """Return whether a file has changed since it was read. Blocks on disk access."""
        return any(_state_of(path) != state for path, state in self.files.items())


def _state_of(path: Path) -> FileState:
    """Return a state that changes with the file's content, or None if it is not accessible.

    Links are followed, because Kubernetes replaces a link to the directory of a secret.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


_USERS = "basic_auth_users"


def read_web_config(path: Path, *, previous: WebConfig | None = None) -> WebConfig:
    """Read the file, and the certificates and keys that it names.

    If the TLS settings and files have not changed, the TLS context of `previous` is used again, so
    that its connections can stay open. Raises ConfigurationError, which lists all errors in the
    file by key and contains no secrets.
    """
    files = {path: _state_of(path)}
    file = read_config_file(path)
    written = _without_nulls(file.content)
    try:
        content = WebConfigFile.model_validate({} if written is None else written)
    except ValidationError as error:
        users = _user_names(written)
        details = error.errors(include_url=False, include_input=False)
        problems = [_problem(each, file, users) for each in details]
        raise ConfigurationError("\n".join(problems)) from None
    section = content.tls_server_config
    tls_files = {file: _state_of(file) for file in _tls_files(section, path.parent)}
    tls, expiry = (
        (previous.tls, previous.certificate_expiry)
        if previous and _is_same_tls(previous, section, tls_files)
        else _tls(content, file)
    )
    return WebConfig(
        tls=tls,
        certificate_expiry=expiry,
        files={**tls_files, **files},
        tls_section=section,
        allowed_sans=_allowed_sans(section),
        headers=content.http_server_config.headers.model_dump(by_alias=True, exclude_none=True),
        users={
            user: secret.get_secret_value().encode("ascii")
            for user, secret in content.basic_auth_users.items()
        },
        rate_limit=_rate_limit(content.rate_limit),
    )


def _without_nulls(value: object, key: object = None) -> object:
    """Return the file's content without keys that have no value, in every section.

    A user without a hash is kept and later rejected: without users, no password is required.
    """
    if not isinstance(value, dict):
        return value
    if key == _USERS:
        return {user: "" if hashed is None else hashed for user, hashed in value.items()}
    return {name: _without_nulls(part, name) for name, part in value.items() if part is not None}


def _problem(details: ErrorDetails, file: ConfigFile, users: Sequence[str]) -> str:
    location = tuple(str(step) for step in details["loc"] if step != "[key]")
    if details["type"] == "extra_forbidden":
        return _unknown_key(location, file)
    origin = file.origin(*location)
    if location[:1] == (_USERS,) and len(location) > 1:
        # By number, because a user name may be an email, or a hash if the two are swapped.
        name = f"{_USERS}, entry {users.index(location[1]) + 1},"
        origin = Origin(name, file, location)
    return problem(origin, plain_message(details))


def _unknown_key(location: tuple[str, ...], file: ConfigFile) -> str:
    """Name the key only if it resembles a known one: it may be a user name, wrongly indented."""
    known = known_names(WebConfigFile, location[:-1])
    if get_close_matches(location[-1], known, n=1):
        return unknown_name(file.origin(*location), location[-1], known)
    origin = Origin(".".join(location[:-1]), file, location)
    return problem(origin, f"holds an unknown key; the known ones are {', '.join(known)}")


def _user_names(content: object) -> list[str]:
    """Return the user names in the order of the file, which may be invalid otherwise."""
    users = content.get(_USERS) if isinstance(content, dict) else None
    return [str(name) for name in users] if isinstance(users, dict) else []


def _tls_files(section: TlsSection | None, folder: Path) -> list[Path]:
    if section is None:
        return []
    names = (section.cert_file, section.key_file, section.client_ca_file)
    return [folder / name for name in names if name]


def _is_same_tls(
    previous: WebConfig, section: TlsSection | None, files: Mapping[Path, FileState]
) -> bool:
    return section == previous.tls_section and all(
        previous.files.get(path) == state for path, state in files.items()
    )


def _tls(content: WebConfigFile, file: ConfigFile) -> tuple[ssl.SSLContext | None, float | None]:
    """Return the TLS context and the expiry of its certificate, or None twice without TLS."""
    section = content.tls_server_config
    if section is None:
        return None, None
    try:
        if content.http_server_config.http2:
            require_http2_suite(section)
        return build_tls_context(section, file.path.parent)
    except ValueError as error:
        key, _, message = str(error).partition(": ")
        origin = file.origin("tls_server_config", key)
        raise ConfigurationError(problem(origin, message)) from error


def _allowed_sans(section: TlsSection | None) -> frozenset[str]:
    return frozenset(section.client_allowed_sans) if section else frozenset()


def _rate_limit(section: RateLimitSection) -> RateLimit | None:
    return RateLimit(section.interval, section.burst) if section.interval else None
