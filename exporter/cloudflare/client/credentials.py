"""The API token: its source, and when a token file is read again.

No error, log event or repr contains the token. Its characters are checked when it is read, because
it is sent in a header.
"""

import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Self

from exporter.errors import ConfigurationError
from exporter.logs import StateChangeLog, get_logger
from exporter.settings.values import LONGEST_TOKEN, read_token

_FINGERPRINT_CONTEXT = b"cloudflare-risk-exporter: fingerprint of an API token\n"
_FINGERPRINT_LENGTH = 12

_Signature = tuple[int, int, int]

_log = get_logger(__name__)


def fingerprint(token: str) -> str:
    """Return a short, stable name of a token that does not reveal the token.

    It is 48 bits of SHA-256. A token has too many possible values for a search.
    """
    digest = sha256(_FINGERPRINT_CONTEXT + token.encode()).hexdigest()
    return digest[:_FINGERPRINT_LENGTH]


class TokenSource:
    """A token given as a value or in a file.

    A token file is read again when it changes, and after `reread`. If that fails, for example in
    the middle of a rotation, the last good token stays in use. Each use costs one `stat`, and a
    change one small read.
    """

    __slots__ = ("_failures", "_path", "_signature", "_token")

    def __init__(self, token: str, *, path: Path | None, signature: _Signature | None) -> None:
        self._token = token
        self._path = path
        self._signature = signature
        self._failures = StateChangeLog(_log)

    @classmethod
    def from_literal(cls, token: str) -> Self:
        """Use this token. Raises ConfigurationError if it is not a valid token."""
        return cls(_checked(token, where="the API token"), path=None, signature=None)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Use the token in this file, without surrounding white space.

        Raises ConfigurationError, which names the path, if the file has no valid token.
        """
        signature, token = _read(path)
        return cls(token, path=path, signature=signature)

    def current(self) -> str:
        """Return the token to send now. Never fails."""
        if self._path is not None:
            self._refresh(self._path)
        return self._token

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the token that `current` last returned."""
        return fingerprint(self._token)

    def reread(self) -> None:
        """Read the file again at the next use, even if it looks unchanged."""
        self._signature = None

    def __repr__(self) -> str:
        return f"TokenSource({'literal' if self._path is None else str(self._path)!r})"

    def _refresh(self, path: Path) -> None:
        try:
            if self._signature is None or self._signature != _signature_of(path):
                self._signature, self._token = _read(path)
        except ConfigurationError as error:
            self._signature = None  # the file is tried again at every use
            self._failures.begin("token_file.read_failed", problem=str(error))
        else:
            self._failures.end("token_file.recovered", path=str(path))


def exposure(path: Path) -> str | None:
    """Return what is wrong with the permissions of a token file, or None.

    Reading by the group is accepted: services get a file that they do not own in that way.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        may = "may be written by other users"
    elif mode & stat.S_IROTH:
        may = "may be read by every user of this machine"
    else:
        return None
    return f"{may} (mode {mode:04o}): chmod 600, or 640 where its group reads it"


def _read(path: Path) -> tuple[_Signature, str]:
    """Read the file. Its signature is taken first, so that no later change is missed."""
    signature = _signature_of(path)
    try:
        # Without O_NONBLOCK, a named pipe that replaces the file meanwhile blocks the event loop.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            content = file.read(LONGEST_TOKEN + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    # Not "strict": a UnicodeDecodeError contains the bytes that it could not decode.
    return signature, _checked(content.decode("ascii", errors="replace"), where=str(path))


def _signature_of(path: Path) -> _Signature:
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{path}: cannot be read: not a regular file")
    return status.st_mtime_ns, status.st_size, status.st_ino


def _checked(text: str, *, where: str) -> str:
    try:
        return read_token(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
