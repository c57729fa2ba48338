import asyncio
import base64
import time

import bcrypt
import pytest

from exporter.web import WebConfig
from exporter.web.auth import BasicAuth, TooManyChecksError
from exporter.web.rate import RateLimit
from tests.support.manual_clock import ManualClock
from tests.support.web_server import serve, users

ALICE = ("alice", "opensesame")


def header(user: str, password: str) -> str:
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_stranger_is_asked_who_they_are() -> None:
    """A browser shows its dialog only where the challenge is."""
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        answer = await served.client.get("/metrics")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "lamp_lit" not in answer.text


@pytest.mark.parametrize("path", ["/", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"])
async def test_every_path_is_behind_the_password(path: str) -> None:
    """As the exporter-toolkit has it: not even which paths there are is told."""
    async with serve(config=WebConfig(users=users(alice="opensesame"))) as served:
        assert (await served.client.get(path)).status_code == 401


async def test_a_user_with_their_password_is_answered() -> None:
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
async def test_anything_else_is_refused(authorization: str) -> None:
    """Refused as values: none of these may become a 500."""
    assert not await BasicAuth(users(alice="opensesame")).allows(authorization)


async def test_a_password_may_hold_colons_and_any_letters() -> None:
    """RFC 7617: the first colon ends the name, and UTF-8 was announced."""
    auth = BasicAuth(users(ålice="a:b:ü"))
    assert await auth.allows(header("ålice", "a:b:ü"))


async def test_of_a_long_password_the_first_72_bytes_count() -> None:
    """So bcrypt has it, and so the exporter-toolkit: the same file must let in the same people."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))})
    assert await auth.allows(header("alice", "x" * 80))


async def test_one_user_s_right_password_opens_nothing_for_another() -> None:
    """What is remembered is the pair."""
    auth = BasicAuth(users(alice="one", bob="two"))
    assert await auth.allows(header("alice", "one"))
    assert not await auth.allows(header("bob", "one"))


@pytest.mark.slow
async def test_an_unknown_user_costs_as_much_as_a_wrong_password() -> None:
    """Otherwise the time of an answer tells which users exist."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(10))})

    async def seconds(authorization: str) -> float:
        started = time.perf_counter()
        assert not await auth.allows(authorization)
        return time.perf_counter() - started

    known = min([await seconds(header("alice", "wrong")) for _ in range(3)])
    unknown = min([await seconds(header("mallory", "wrong")) for _ in range(3)])
    assert 0.5 < unknown / known < 2.0


@pytest.mark.slow
async def test_a_password_that_was_right_costs_nothing_again() -> None:
    """A scrape every fifteen seconds must not cost bcrypt's time each."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(12))})
    assert await auth.allows(header("alice", "one"))
    started = time.perf_counter()
    for _ in range(100):
        assert await auth.allows(header("alice", "one"))
    assert time.perf_counter() - started < 0.1


@pytest.mark.slow
async def test_the_loop_goes_on_while_a_password_is_checked() -> None:
    """A stranger at the door must not stop the scrapes inside."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(12))})
    checking = asyncio.create_task(auth.allows(header("alice", "one")))
    turns = 0
    while not checking.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 20


@pytest.mark.slow
async def test_a_crowd_of_strangers_is_turned_away_but_no_friend() -> None:
    """Guessing must not queue without bound, nor keep Prometheus out."""
    auth = BasicAuth({"alice": bcrypt.hashpw(b"one", bcrypt.gensalt(8))})
    assert await auth.allows(header("alice", "one"))
    guesses = [asyncio.create_task(auth.allows(header("alice", str(n)))) for n in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyChecksError):
        await auth.allows(header("alice", "17"))
    assert await auth.allows(header("alice", "one"))
    assert not any([await guess for guess in guesses])


@pytest.mark.slow
async def test_a_stranger_in_a_crowd_is_told_to_come_again() -> None:
    """A 401 would say that the password is wrong, and nobody has looked at it."""
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


async def test_what_is_remembered_is_bounded() -> None:
    """The oldest is forgotten, which costs its user one more check."""
    names = [f"user{number}" for number in range(100)]
    hashed = bcrypt.hashpw(b"one", bcrypt.gensalt(4))
    auth = BasicAuth(dict.fromkeys(names, hashed))
    for name in names:
        assert await auth.allows(header(name, "one"))
    assert len(auth._right) == 64
    assert await auth.allows(header(names[0], "one"))


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
