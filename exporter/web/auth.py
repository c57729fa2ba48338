"""Basic authentication against bcrypt hashes, off the event loop and one check at a time.

A password that was right is remembered as a keyed digest, so that only a user's first scrape
pays for bcrypt. One that was wrong is not, and a user nobody knows costs as much as one with a
wrong password: times tell nobody which users exist.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping

import bcrypt

_REMEMBERED = 64
_WAITING = 16
_LONGEST_PASSWORD = (
    72  # bytes; bcrypt looks at no more, and its Python library leaves the cut to us
)


class TooManyChecksError(Exception):
    """So many passwords wait to be checked that one more would wait for too long."""


class BasicAuth:
    """The users who may read, by name and bcrypt hash; at least one."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._unknown_user = _matches_nothing(max(map(_cost, users.values())))
        self._key = secrets.token_bytes()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def allows(self, authorization: str) -> bool:
        """Whether the value of an Authorization header names a user and their password.

        Raises TooManyChecksError where too many others are being checked; whoever was right
        before is never turned away by that.
        """
        credentials = _decode(authorization)
        if credentials is None:
            return False
        user, password = credentials
        digest = hmac.digest(self._key, _joined(user, password), hashlib.sha256)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        if not await self._is_right(user, password):
            return False
        self._remember(digest)
        return True

    async def _is_right(self, user: str, password: bytes) -> bool:
        if self._waiting >= _WAITING:
            raise TooManyChecksError
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._check, user, password)
        finally:
            self._waiting -= 1

    def _check(self, user: str, password: bytes) -> bool:
        hashed = self._users.get(user, self._unknown_user)
        return bcrypt.checkpw(password[:_LONGEST_PASSWORD], hashed) and user in self._users

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)


def _decode(authorization: str) -> tuple[str, bytes] | None:
    """User and password (RFC 7617), or None where the header is not Basic or not readable."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode("utf-8"), password) if colon else None
    except ValueError:
        return None


def _joined(user: str, password: bytes) -> bytes:
    name = user.encode()
    return len(name).to_bytes(4, "big") + name + password


def _cost(hashed: bytes) -> int:
    return int(hashed.split(b"$")[2])


def _matches_nothing(cost: int) -> bytes:
    """A hash of the right form that no known password has: all zeros after the cost."""
    return b"$2b$%02d$" % cost + b"." * 53
