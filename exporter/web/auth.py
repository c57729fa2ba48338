"""Basic authentication with bcrypt hashes, one check at a time, outside the event loop.

A correct password is remembered as a keyed digest together with its hash, so that only the first
request of a user needs a check. Checks wait in one queue per client address, so that a client
that guesses passwords delays only its own requests. A wrong password takes the same time whether
or not the user exists.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType

import bcrypt

_REMEMBERED = 64
_WAITING_OF_ADDRESS = 8
_WAITING = 128
_REMEMBERED_ADDRESSES = 4096
# bcrypt uses the first 72 bytes of a password; its Python library rejects longer ones.
_LONGEST_PASSWORD = 72
_NETWORK_BITS = 64


class TooManyChecksError(Exception):
    """The queue of this client address is full, or closed; the password was not checked."""


class BasicAuth:
    """The users with access, by name and bcrypt hash.

    `replace_users` keeps remembered passwords whose hashes have not changed.
    """

    def __init__(self, users: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._key = secrets.token_bytes()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._queue = CheckQueue()
        self.replace_users(users)

    def replace_users(self, users: Mapping[str, bytes]) -> None:
        """Replace the users."""
        self._users = users
        self._highest_cost = max(map(_cost, users.values()), default=0)

    def close(self) -> None:
        """Reject waiting and further checks, because the server stops."""
        self._queue.close()

    async def allows(self, authorization: str, *, remote: str | None = None) -> bool:
        """Return whether an Authorization header contains a user and the correct password.

        `remote` is the address of the client. Raises TooManyChecksError if too many checks of
        that address wait. A remembered password needs no check.
        """
        credentials = _decode(authorization)
        if credentials is None or not self._users:
            return False
        user, password = credentials
        hashed = self._users.get(user)
        digest = hmac.digest(self._key, _joined(user, hashed or b"", password), hashlib.sha256)
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        cost = self._highest_cost
        check = self._queue.submit(origin_of(remote), lambda: _is_right(password, hashed, cost))
        if not await check or self._users.get(user) != hashed:
            return False
        self._remember(digest)
        return True

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Check:
    """A waiting or running check, and the future of its result."""

    run: Callable[[], bool]
    result: asyncio.Future[bool]


class CheckQueue:
    """Runs checks one at a time, that of the least recently served address first.

    Addresses that were never served come before all others. The next check starts when the thread
    of the last one has ended, even if its client has disconnected, so that a client cannot start
    a second thread by disconnecting. bcrypt cannot be interrupted, so the process ends only after
    the running check; the limit on the cost of a hash keeps that short.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Check]] = {}
        self._served: OrderedDict[str, int] = OrderedDict()
        self._turns = 0
        self._is_running = False
        self._is_closed = False

    def close(self) -> None:
        """Reject waiting and further checks. A running check continues."""
        self._is_closed = True
        while self._waiting:
            self._refuse(self._take(next(iter(self._waiting)), newest=False))

    def submit(self, address: str, run: Callable[[], bool]) -> asyncio.Future[bool]:
        """Return the future result of `run`, which is called in a thread.

        Raises TooManyChecksError if too many checks of the address wait. If all queues together
        are full, the newest check of the address that would be served last is rejected with the
        same error, through its future.
        """
        queue = self._waiting.get(address, deque())
        if self._is_closed or len(queue) >= _WAITING_OF_ADDRESS:
            raise TooManyChecksError
        self._waiting[address] = queue
        check = _Check(run, asyncio.get_running_loop().create_future())
        queue.append(check)
        if sum(map(len, self._waiting.values())) > _WAITING:
            # Of several addresses that were never served, this selects the latest.
            last = max(reversed(self._waiting), key=self._last_turn)
            self._refuse(self._take(last, newest=True))
        self._start_next()
        return check.result

    def _start_next(self) -> None:
        while self._waiting and not self._is_running:
            address = min(self._waiting, key=self._last_turn)
            check = self._take(address, newest=False)
            if check.result.cancelled():
                continue
            self._record_turn(address)
            self._is_running = True
            loop = asyncio.get_running_loop()
            # Not a daemon: returning from bcrypt during interpreter shutdown would abort the process.
            threading.Thread(target=self._run, args=(check, loop), name="password-check").start()

    @staticmethod
    def _refuse(check: _Check) -> None:
        if not check.result.done():
            check.result.set_exception(TooManyChecksError())

    def _take(self, address: str, *, newest: bool) -> _Check:
        queue = self._waiting[address]
        check = queue.pop() if newest else queue.popleft()
        if not queue:
            del self._waiting[address]
        return check

    def _last_turn(self, address: str) -> int:
        return self._served.get(address, 0)

    def _record_turn(self, address: str) -> None:
        self._turns += 1
        self._served[address] = self._turns
        self._served.move_to_end(address)
        if len(self._served) > _REMEMBERED_ADDRESSES:
            self._served.popitem(last=False)

    def _run(self, check: _Check, loop: asyncio.AbstractEventLoop) -> None:
        """Run the check in a thread and pass its outcome to the event loop, unless it is closed."""
        outcome: bool | Exception
        try:
            outcome = check.run()
        except Exception as error:  # noqa: BLE001  # raised again by the future
            outcome = error
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._finish, check.result, outcome)

    def _finish(self, result: asyncio.Future[bool], outcome: bool | Exception) -> None:  # noqa: FBT001  # the result of a check
        self._is_running = False
        if not result.done():
            if isinstance(outcome, Exception):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)
        self._start_next()


def _is_right(password: bytes, hashed: bytes | None, highest_cost: int) -> bool:
    """Return whether the password matches the hash. False always takes the time of `highest_cost`.

    Each increment of the cost doubles the time. A failed check at cost c and further checks at
    c, c + 1 and so on, below the highest cost, therefore take as long as one at the highest cost.
    """
    password = password[:_LONGEST_PASSWORD]
    if hashed is None:
        bcrypt.checkpw(password, _matches_nothing(highest_cost))
        return False
    if bcrypt.checkpw(password, hashed):
        return True
    for cost in range(_cost(hashed), highest_cost):
        bcrypt.checkpw(password, _matches_nothing(cost))
    return False


def origin_of(remote: str | None) -> str:
    """Return the key of a client's queue: its IPv4 address or its IPv6 network of 64 bits.

    One IPv6 client usually has a network of that size.
    """
    try:
        address = ip_address(remote or "")
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return address.packed[: _NETWORK_BITS // 8].hex()


def _decode(authorization: str) -> tuple[str, bytes] | None:
    """Return user and password (RFC 7617), or None if the header is not valid Basic authentication."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode("utf-8"), password) if colon else None
    except ValueError:
        return None


def _joined(user: str, hashed: bytes, password: bytes) -> bytes:
    name = user.encode()
    return b"".join(len(part).to_bytes(4, "big") + part for part in (name, hashed, password))


def _cost(hashed: bytes) -> int:
    return int(hashed.split(b"$")[2])


def _matches_nothing(cost: int) -> bytes:
    """Return a valid hash that no known password matches: salt and digest are all zeros."""
    return b"$2b$%02d$" % cost + b"." * 53
