"""Readers of settings' values: text or a YAML scalar in, a typed value out.

A reader raises ValueError with a message that says what is expected. The message repeats the value
only if it is too short to be a token that was set in the wrong place.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

LONGEST_DURATION_SECONDS = 366 * 86_400.0
"""Longer durations are rejected as typing errors."""

_SECONDS_PER_UNIT = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_DURATION = re.compile(
    "".join(rf"(?:(?P<{unit}>{_NUMBER.pattern}){unit})?" for unit in _SECONDS_PER_UNIT), re.ASCII
)
_ACCOUNT_ID = re.compile(r"[0-9a-fA-F]{32}")
_LONGEST_HOST, _LONGEST_LABEL = 253, 63  # of a DNS name, RFC 1035
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
LONGEST_TOKEN = 4096
"""The most characters of a token; one in a file is read up to here."""

_EXAMPLE_URL = "https://api.cloudflare.com/client/v4"
_HIGHEST_PORT = 65_535
_MIN_TOKEN_LENGTH = 30


class UsersMinLevel(StrEnum):
    """The lowest level at which a user has per-user series; with `NONE` no user has."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class LogLevel(StrEnum):
    """The lowest severity of log events that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The format of log events; `AUTO` is console on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to listen on. An empty host means every interface, port 0 any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address in the form of the setting."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SqliteState:
    """State in the SQLite file at `path`, whose folder may not exist yet."""

    path: Path


@dataclass(frozen=True, slots=True)
class MemoryState:
    """State in memory, which is lost when the process ends."""


State = SqliteState | MemoryState


def read_duration(value: object) -> float:
    """Return the seconds of `15s`, `5m`, `1h30m`, `250ms` or a number of seconds; above zero."""
    seconds = _seconds(value)
    if seconds is None or not math.isfinite(seconds):
        raise ValueError(_not_a("duration such as 15s, 5m or 1h30m", value))
    if not 0 < seconds <= LONGEST_DURATION_SECONDS:
        raise ValueError("must be longer than 0s and at most a year")
    return seconds


def at_least(minimum_seconds: float) -> Callable[[float], float]:
    """Return a validator that rejects durations below `minimum_seconds`."""

    def check(seconds: float) -> float:
        if seconds < minimum_seconds:
            raise ValueError(f"must be at least {minimum_seconds:g}s")
        return seconds

    return check


def read_share(value: object) -> float:
    """Return a share: more than 0, at most 1."""
    share = _number(value)
    if share is None or not 0 < share <= 1:
        raise ValueError(_not_a("share, more than 0 and at most 1", value))
    return share


def read_count(value: object) -> int:
    """Return a whole number, zero included."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(_not_a("whole number, 0 or more", value))
    return value


def read_switch(value: object) -> bool:
    """Return a boolean from a YAML boolean or the words `true` and `false`, in any case."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in {"true", "false"}:
        raise ValueError("must be true or false")
    return word == "true"


def read_hosts(value: object) -> tuple[str, ...]:
    """Return host names and addresses in lower case, from a list or comma-separated text.

    Each has the form of a Host header without the port; IPv6 addresses may have brackets.
    """
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        # pydantic reports ValueError, not TypeError, as a validation error.
        raise ValueError(  # noqa: TRY004
            "must be a list of host names, or host names separated by commas"
        )
    return tuple(_read_allowed_host(host) for host in value)


def read_lowered(value: object) -> object:
    """Return text in lower case, so that keywords may be in any case."""
    return value.strip().lower() if isinstance(value, str) else value


def read_listen_address(value: object) -> ListenAddress:
    """Return the address of `127.0.0.1:10876`, `[::1]:10876`, `localhost:10876` or `:10876`.

    The last form means every interface.
    """
    text = value.strip() if isinstance(value, str) else ""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > _HIGHEST_PORT:
        raise ValueError(_not_a("listen address such as 127.0.0.1:10876 or :10876", value))
    return ListenAddress(_read_host(host), int(port))


def read_api_url(value: object) -> str:
    """Return an http or https URL without its trailing slash; a URL with a password is rejected."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        url = urlsplit(text)
        has_port_in_range = url.port != 0
    except ValueError as error:
        raise ValueError(f"not a URL such as {_EXAMPLE_URL}") from error
    host = url.hostname or ""
    is_valid_address = has_port_in_range and " " not in host and (":" in host or _fits_dns(host))
    if url.scheme not in {"http", "https"} or not is_valid_address:
        raise ValueError(f"not a URL such as {_EXAMPLE_URL}")
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    return text.rstrip("/")


def read_account_id(value: object) -> str:
    """Return an account id in lower case: 32 hexadecimal digits, as in Cloudflare's dashboard."""
    text = value.strip() if isinstance(value, str) else ""
    if not _ACCOUNT_ID.fullmatch(text):
        hint = "; in YAML put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"not an account id, which is 32 hexadecimal digits{hint}")
    return text.lower()


def read_token(value: object) -> str:
    """Return a token: printable ASCII without spaces, as an HTTP header requires.

    White space around it is dropped.
    """
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > LONGEST_TOKEN:
        raise ValueError(f"not a token, because it is longer than {LONGEST_TOKEN} characters")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a token, which is one word of printable ASCII characters")
    return text


def read_state(value: object, environ: Mapping[str, str]) -> State:
    """Return the state of `sqlite:`, `sqlite:PATH` or `memory:`; a final colon is optional.

    Without a path the file is `default_state_path`.
    """
    kind, _, rest = value.strip().partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "memory" and not rest:
        return MemoryState()
    if kind == "sqlite":
        return SqliteState(_state_path(rest, environ))
    if kind in {"valkey", "redis"}:
        raise ValueError("Valkey is not supported yet; use sqlite:PATH or memory:")
    raise ValueError(_not_a("state such as sqlite:, sqlite:PATH or memory:", value))


def _state_path(text: str, environ: Mapping[str, str]) -> Path:
    """Expand `~/` to the home folder, which a shell does not do after `sqlite:`."""
    if text.startswith("~/"):
        return _home(environ) / text.removeprefix("~/")
    return Path(text) if text else default_state_path(environ)


def default_state_path(environ: Mapping[str, str]) -> Path:
    """Return `state.db` in systemd's STATE_DIRECTORY, or else in the XDG state directory.

    STATE_DIRECTORY may hold several directories, separated by colons (systemd.exec(5)); the first
    is used. The XDG Base Directory specification says that a relative XDG_STATE_HOME is ignored
    and the default is ~/.local/state.
    """
    if systemd_directory := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(systemd_directory) / "state.db"
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = _home(environ) / ".local" / "state"
    return base / "cloudflare-risk-exporter" / "state.db"


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    return float(value) if isinstance(value, int | float) and value is not True else None


def _seconds(value: object) -> float | None:
    number = _number(value)
    if number is not None or not isinstance(value, str):
        return number
    match = _DURATION.fullmatch(value.strip())
    if match is None or not match[0]:
        return None
    return sum(
        float(number) * _SECONDS_PER_UNIT[unit]
        for unit, number in match.groupdict(default="0").items()
    )


def _read_allowed_host(value: object) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    bare = text.removeprefix("[").removesuffix("]")
    if ":" in bare:
        try:
            return str(IPv6Address(bare))
        except ValueError as error:
            expected = "host name or address without a port"
            raise ValueError(_not_a(expected, value)) from error
    if not _is_host(text):
        raise ValueError(_not_a("host name or address without a port", value))
    return text


def _is_host(text: str) -> bool:
    return bool(_HOST.fullmatch(text)) and _fits_dns(text)


def _fits_dns(host: str) -> bool:
    """Return whether a name has valid lengths; a lookup of a longer one raises UnicodeError."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(0 < len(one) <= _LONGEST_LABEL for one in labels)


def _read_host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError as error:
            raise ValueError(_not_a("IPv6 address in brackets", text)) from error
    if ":" in text:
        raise ValueError("write an IPv6 address in brackets, such as [::1]:10876")
    if text and not _is_host(text):
        raise ValueError(_not_a("host name or address", text))
    return text


def _home(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME", ""))
    if not home.is_absolute():
        raise ValueError(
            "HOME is not set, which the default path needs; use sqlite:PATH or memory:"
        )
    return home


def _not_a(expected: str, value: object) -> str:
    text = repr(value)
    return f"{text} is not a {expected}" if len(text) < _MIN_TOKEN_LENGTH else f"not a {expected}"
