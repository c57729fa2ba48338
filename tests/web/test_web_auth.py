import asyncio
import base64
import threading
from contextlib import AsyncExitStack

import bcrypt
import httpx
import pytest

from exporter.web import WebConfig
from exporter.web.auth import BasicAuth, CheckQueue, TooManyChecksError, origin_of
from exporter.web.config import RateLimit
from tests.support.manual_clock import ManualClock
from tests.support.web_server import serve, users

ALICE = ("alice", "opensesame")


def header(user: str, password: str) -> str:
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_request_without_credentials_gets_a_challenge() -> None:
    """Without a challenge, a browser shows no dialog."""
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        answer = await served.client.get("/metrics")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "lamp_lit" not in answer.text


@pytest.mark.parametrize("path", ["/", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"])
async def test_every_path_requires_the_password(path: str) -> None:
    """As in the exporter-toolkit, the response does not reveal which paths exist."""
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        assert (await served.client.get(path)).status_code == 401


async def test_a_user_with_the_correct_password_has_access() -> None:
    """On the first request, which bcrypt checks, and on the next, which it does not."""
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        for _ in range(2):
            assert (await served.client.get("/metrics", auth=ALICE)).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="none"),
        pytest.param(header("alice", "wrong"), id="wrong password"),
        pytest.param(header("alice", ""), id="no password"),
        pytest.param(header("mallory", "opensesame"), id="wrong user"),
        pytest.param(header("", ""), id="nobody"),
        pytest.param("Bearer abc", id="another scheme"),
        pytest.param("Basic", id="nothing after the scheme"),
        pytest.param("Basic !!!", id="not base64"),
        pytest.param("Basic \u00fc", id="not ASCII"),
        pytest.param("Basic " + base64.b64encode(b"alice").decode(), id="no colon"),
        pytest.param("Basic " + base64.b64encode(b"\xff:x").decode(), id="not UTF-8"),
        pytest.param("Basic " + base64.b64encode(b"alice:\x00").decode(), id="a NUL"),
    ],
)
async def test_any_other_credentials_are_rejected(authorization: str) -> None:
    """None of these may cause a 500."""
    assert not await BasicAuth(users(alice="opensesame")).allows(authorization)


async def test_a_password_may_hold_colons_and_any_letters() -> None:
    """RFC 7617: the first colon ends the name, and UTF-8 was announced."""
    auth = BasicAuth(users(ålice="a:b:ü"))
    assert await auth.allows(header("ålice", "a:b:ü"))


async def test_only_the_first_72_bytes_of_a_password_count() -> None:
    """This is bcrypt's rule, and the exporter-toolkit's: the same file must accept the same users."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))})
    assert await auth.allows(header("alice", "x" * 80))


async def test_the_password_of_one_user_is_wrong_for_another() -> None:
    """User and password are remembered together."""
    auth = BasicAuth(users(alice="one", bob="two"))
    assert await auth.allows(header("alice", "one"))
    assert not await auth.allows(header("bob", "one"))


async def test_a_wrong_password_costs_the_same_work_for_every_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the time of a response shows which users exist, where costs differ."""
    auth = BasicAuth(
        {
            "alice": bcrypt.hashpw(b"one", bcrypt.gensalt(7)),
            "carol": bcrypt.hashpw(b"one", bcrypt.gensalt(4)),
        }
    )
    checkpw, rounds = bcrypt.checkpw, 0

    def count(password: bytes, hashed: bytes) -> bool:
        nonlocal rounds
        rounds += 2 ** int(hashed[4:6])
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    for name in ("alice", "carol", "mallory"):
        rounds = 0
        assert not await auth.allows(header(name, "wrong"))
        assert rounds == 2**7


async def test_a_right_password_stays_right_over_a_reload_while_its_hash_stays() -> None:
    """A reload must not send every user through a check again; a new hash must."""
    kept, changed = users(alice="one")["alice"], users(bob="two")["bob"]
    auth = BasicAuth({"alice": kept, "bob": changed})
    assert await auth.allows(header("alice", "one"))
    assert await auth.allows(header("bob", "two"))
    auth.replace_users({"alice": kept, **users(bob="two")})
    auth.close()  # no check can run any more
    assert await auth.allows(header("alice", "one"))
    with pytest.raises(TooManyChecksError):
        await auth.allows(header("bob", "two"))


async def test_a_user_who_is_removed_is_refused() -> None:
    """Also one whose password was right before."""
    auth = BasicAuth(users(alice="one", bob="two"))
    assert await auth.allows(header("bob", "two"))
    auth.replace_users(users(alice="one"))
    assert not await auth.allows(header("bob", "two"))


async def test_a_user_who_is_removed_while_the_password_is_checked_is_refused() -> None:
    """The result belongs to a hash that is gone."""
    auth = BasicAuth(users(alice="one"))
    check = asyncio.create_task(auth.allows(header("alice", "one")))
    await asyncio.sleep(0)
    auth.replace_users(users(bob="two"))
    assert not await check


class Checks:
    """Checks that note their order, the first of which runs until it is released."""

    def __init__(self) -> None:
        self.queue = CheckQueue()
        self.order: list[str] = []
        self._release = threading.Event()
        self.first = self.queue.submit("first", self._release.wait)

    def submit(self, address: str) -> asyncio.Future[bool]:
        """Queue a check of this address, or raise."""
        return self.queue.submit(address, lambda: self._note(address))

    async def finish(self, *results: asyncio.Future[bool]) -> None:
        """Let the checks run, until those with these results have ended."""
        self._release.set()
        await asyncio.wait([self.first, *results])

    def _note(self, address: str) -> bool:
        self.order.append(address)
        return True


async def test_addresses_are_served_alternately() -> None:
    """A client that guesses waits behind its own guesses, not before others."""
    checks = Checks()
    flood = [checks.submit("flood") for _ in range(4)]
    others = [checks.submit("one"), checks.submit("two"), checks.submit("one")]
    await checks.finish(*flood, *others)
    assert checks.order == ["flood", "one", "two", "flood", "one", "flood", "flood"]


async def test_an_address_that_was_never_served_comes_first() -> None:
    """A user with the correct password need not wait for all guessing addresses."""
    checks = Checks()
    await checks.finish(*[checks.submit("flood") for _ in range(4)])
    again = threading.Event()
    running = checks.queue.submit("flood", again.wait)
    late = [checks.submit("flood"), checks.submit("new")]
    again.set()
    await asyncio.wait([running, *late])
    assert checks.order[-2:] == ["new", "flood"]


async def test_only_the_address_that_floods_is_refused() -> None:
    """Its queue is full; those of others are not."""
    checks = Checks()
    results = [checks.submit("flood") for _ in range(8)]
    with pytest.raises(TooManyChecksError):
        checks.submit("flood")
    results.append(checks.submit("other"))
    await checks.finish(*results)
    assert all(result.result() for result in results)


async def test_where_many_addresses_flood_a_new_one_displaces_the_newest_of_those() -> None:
    """All queues together are bounded, and an address that was served loses its place first."""
    checks = Checks()
    served = [checks.submit(f"flood{number}") for number in range(16)]
    await checks.finish(*served)
    again = threading.Event()
    running = checks.queue.submit("flood0", again.wait)
    waiting = [checks.submit(f"flood{number}") for number in range(16) for _ in range(8)]
    new = checks.submit("new")
    again.set()
    await asyncio.wait([running, new, *waiting])
    assert new.result()
    refused = [result for result in waiting if result.exception()]
    assert refused == [waiting[7]]  # flood0 has run once more than the others


async def test_a_client_that_disconnects_gets_no_second_thread() -> None:
    """Otherwise a client could start any number of concurrent checks."""
    checks = Checks()
    checks.first.cancel()
    abandoned, kept = checks.submit("one"), checks.submit("one")
    abandoned.cancel()
    await asyncio.sleep(0)
    assert not checks.order
    await checks.finish(kept)
    assert checks.order == ["one"]


async def test_a_check_that_fails_fails_alone() -> None:
    """Its error reaches the one who awaits it, and the next check runs."""
    queue = CheckQueue()

    def fail() -> bool:
        raise ValueError("no hash")

    failed, next_one = queue.submit("one", fail), queue.submit("one", lambda: True)
    with pytest.raises(ValueError, match="no hash"):
        await failed
    assert await next_one


async def test_after_the_end_no_check_starts() -> None:
    """The process must end after the one that runs, whatever waits."""
    checks = Checks()
    waiting = [checks.submit("one"), checks.submit("two")]
    checks.queue.close()
    await checks.finish(*waiting)
    assert not checks.order
    assert all(isinstance(result.exception(), TooManyChecksError) for result in waiting)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("127.0.0.1", "127.0.0.2", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
        (None, "", True),
    ],
)
def test_an_address_is_one_ipv4_address_or_one_ipv6_network(
    one: str | None, other: str, *, is_same: bool
) -> None:
    """A dual-stack listener shows IPv4 clients as mapped addresses; they are still apart."""
    assert (origin_of(one) == origin_of(other)) is is_same


@pytest.mark.slow
async def test_a_right_user_is_answered_while_another_address_floods() -> None:
    """Their first request included, which needs a check; the flood alone is refused."""
    config = WebConfig(users={"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(8))})
    async with serve(config=config) as served, AsyncExitStack() as clients:

        async def client(address: str) -> httpx.AsyncClient:
            transport = httpx.AsyncHTTPTransport(local_address=address)
            return await clients.enter_async_context(
                httpx.AsyncClient(base_url=served.server.url, transport=transport)
            )

        flooding, friendly = await client("127.0.0.2"), await client("127.0.0.3")

        async def guess(number: int) -> int:
            return (await flooding.get("/-/ready", auth=("alice", str(number)))).status_code

        async with asyncio.TaskGroup() as group:
            guesses = [group.create_task(guess(number)) for number in range(40)]
            await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
            answer = await friendly.get("/-/ready", auth=("alice", "one"))
            checked = [guess for guess in guesses if guess.done() and guess.result() == 401]
    assert answer.status_code == 200
    assert len(checked) < 8
    assert {guess.result() for guess in guesses} == {401, 503}


async def test_a_password_that_was_right_costs_nothing_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A scrape every fifteen seconds must not cost bcrypt's time each."""
    auth = BasicAuth(users(alice="one"))
    assert await auth.allows(header("alice", "one"))
    monkeypatch.delattr(bcrypt, "checkpw")
    assert await auth.allows(header("alice", "one"))


async def test_a_password_check_does_not_block_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Password checks must not delay scrapes."""
    begun, loop_went_on = threading.Event(), threading.Event()

    def check(_password: bytes, _hashed: bytes) -> bool:
        begun.set()
        return loop_went_on.wait(timeout=120.0)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    auth = BasicAuth(users(alice="one"))
    checking = asyncio.create_task(auth.allows(header("alice", "one")))
    assert await asyncio.to_thread(begun.wait, 120.0)
    loop_went_on.set()
    assert await checking


@pytest.mark.slow
async def test_many_wrong_passwords_do_not_lock_out_a_correct_one() -> None:
    """The queue of guesses is limited, and Prometheus keeps its access."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(8))})
    assert await auth.allows(header("alice", "one"))
    guesses = [asyncio.create_task(auth.allows(header("alice", str(n)))) for n in range(9)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyChecksError):
        await auth.allows(header("alice", "17"))
    assert await auth.allows(header("alice", "one"))
    assert not any([await guess for guess in guesses])


@pytest.mark.slow
async def test_an_unchecked_password_is_answered_with_retry_after() -> None:
    """A 401 would mean that the password was checked."""
    config = WebConfig(users={"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(8))})
    async with serve(config=config) as served, asyncio.TaskGroup() as group:
        answers = [
            group.create_task(served.client.get("/metrics", auth=("alice", str(number))))
            for number in range(30)
        ]
    statuses = [answer.result().status_code for answer in answers]
    assert set(statuses) == {401, 503}
    crowded = answers[statuses.index(503)].result()
    assert crowded.headers["Retry-After"] == "5"


async def test_the_number_of_remembered_passwords_is_limited() -> None:
    """The oldest is forgotten, which costs its user one more check."""
    names = [f"user{number}" for number in range(100)]
    hashed = bcrypt.hashpw(b"one", bcrypt.gensalt(4))
    auth = BasicAuth(dict.fromkeys(names, hashed))
    for name in names:
        assert await auth.allows(header(name, "one"))
    assert len(auth._right) == 64
    assert await auth.allows(header(names[0], "one"))


async def test_with_a_burst_of_zero_every_request_is_refused() -> None:
    """As in the exporter-toolkit: a burst is how many requests fit into one moment."""
    clock = ManualClock()
    config = WebConfig(rate_limit=RateLimit(interval_seconds=1.0, burst=0))
    async with serve(config=config, clock=clock) as served:
        for _ in range(2):
            assert (await served.client.get("/-/ready")).status_code == 429
            clock.advance(60.0)


async def test_requests_above_the_rate_are_refused() -> None:
    """`rate_limit` of the web config: a burst, then one for each interval."""
    clock = ManualClock()
    config = WebConfig(rate_limit=RateLimit(interval_seconds=2.0, burst=2))
    async with serve(config=config, clock=clock) as served:

        async def statuses(count: int) -> list[int]:
            return [(await served.client.get("/-/ready")).status_code for _ in range(count)]

        assert await statuses(3) == [200, 200, 429]
        clock.advance(2.0)
        assert await statuses(2) == [200, 429]
        clock.advance(60.0)
        assert await statuses(3) == [200, 200, 429]
