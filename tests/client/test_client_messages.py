"""What a failed request says to people: host, setting and next step, and nothing received."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from exporter.clock import SystemClock
from exporter.cloudflare.client import CloudflareClient, Exchange, TokenSource, open_session
from exporter.cloudflare.client.session import MOST_INFORMATIONAL, proxy_for
from exporter.errors import (
    LONGEST_MESSAGE,
    BadResponseError,
    ConfigurationError,
    NetworkError,
    PollError,
    ThrottledError,
    TimedOutError,
    TlsError,
)
from tests.support.answers import answer, user
from tests.support.asking import SECRET, asking
from tests.support.certificates import make_certificate
from tests.support.clock import in_fake_time
from tests.support.processes import free_port
from tests.support.proxy import ConnectProxy, connect_proxy
from tests.support.raw_api import Ending, Reply, http, raw_api, server_tls

GOOD = http(answer(user()))
PASSWORD = "pr0xy-passw0rd"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of the machine the tests run on."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def client_of(
    api_url: str, *, timeout_seconds: float = 5.0
) -> AsyncIterator[CloudflareClient]:
    """Open a client of any URL."""
    async with open_session() as session:
        yield CloudflareClient(
            session,
            api_url=api_url,
            token=TokenSource.from_literal(SECRET),
            timeout_seconds=timeout_seconds,
            on_exchange=lambda _: None,
            clock=SystemClock(),
        )


async def failure_at(api_url: str, *, timeout_seconds: float = 5.0) -> PollError:
    """Ask at a URL where it fails."""
    async with client_of(api_url, timeout_seconds=timeout_seconds) as client:
        with pytest.raises(PollError) as caught:
            await client.read_user("acc", "u1")
    return caught.value


async def test_a_refused_connection_names_the_host_and_what_to_check() -> None:
    """An operator who mistyped --api-url reads which host was tried."""
    port = free_port()

    error = await failure_at(f"http://127.0.0.1:{port}")

    assert type(error) is NetworkError
    assert str(error) == (
        f"cannot connect to 127.0.0.1:{port} (connection refused);"
        " check --api-url, the network and HTTP_PROXY"
    )


async def test_a_name_that_does_not_resolve_is_named() -> None:
    """RFC 6761 promises that `.invalid` never resolves."""
    error = await failure_at("https://api.invalid/client/v4")

    assert type(error) is NetworkError
    assert str(error) == ("cannot resolve api.invalid; check --api-url, DNS and HTTPS_PROXY")


async def test_an_answer_that_takes_too_long_names_the_limit() -> None:
    """The limit is a setting."""
    async with asking(Reply(b"", Ending.STALL), timeout_seconds=0.05) as asked:
        with pytest.raises(TimedOutError) as caught:
            await asked.client.read_user("acc", "u1")

    host = asked.api.url.split("/")[2]
    assert str(caught.value) == (
        f"no complete answer from {host} within 0.05 s (--api-timeout);"
        " check the network or raise the limit"
    )


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Listen on a port whose queue of connections is full: a further one is never accepted."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        callers = [socket.socket() for _ in range(3)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for caller in callers:
            caller.close()


@in_fake_time
async def test_a_host_that_does_not_accept_names_the_limit(deaf_port: int) -> None:
    """A firewall that drops packets looks like this."""
    error = await failure_at(f"http://127.0.0.1:{deaf_port}", timeout_seconds=30.0)

    assert type(error) is TimedOutError
    assert str(error) == (
        f"no connection to 127.0.0.1:{deaf_port} within 10 s (at most 10 s of --api-timeout);"
        " check --api-url, the network and HTTP_PROXY"
    )


async def test_a_certificate_that_cannot_be_verified_names_what_to_check(tmp_path: Path) -> None:
    """A private CA, a proxy that intercepts, a wrong clock."""
    certificate = make_certificate(tmp_path, "ca", sans="IP:127.0.0.1")
    async with asking(GOOD, tls=server_tls(certificate)) as asked:
        with pytest.raises(TlsError) as caught:
            await asked.client.read_user("acc", "u1")

    host = asked.api.url.split("/")[2]
    assert str(caught.value) == (
        f"the certificate of {host} cannot be verified (self-signed certificate);"
        " check the clock, SSL_CERT_FILE and HTTPS_PROXY"
    )


async def test_a_server_without_tls_names_what_to_check() -> None:
    """https:// where http:// was meant."""

    async def speak_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        writer.close()

    async with await asyncio.start_server(speak_first, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        error = await failure_at(f"https://{host}:{port}")

    assert type(error) is TlsError
    assert str(error).startswith(f"no TLS connection to {host}:{port}; check --api-url")


async def test_a_connection_closed_without_an_answer_is_a_sentence() -> None:
    """No name of a Python class."""
    async with asking(Reply(b"", Ending.CLOSE)) as asked:
        with pytest.raises(NetworkError) as caught:
            await asked.client.read_user("acc", "u1")

    host = asked.api.url.split("/")[2]
    assert str(caught.value) == f"{host} closed the connection before it answered"


async def test_a_429_says_for_how_long() -> None:
    """An operator knows when to look again."""
    async with asking(http(status="429 Slow", headers={"Retry-After": "300"})) as asked:
        with pytest.raises(ThrottledError) as caught:
            await asked.client.read_user("acc", "u1")

    assert str(caught.value) == "HTTP 429; the API refuses this token for 300 s"


RECEIVED = f"Bearer {SECRET} ada@example.com Ada-Lovelace"


@pytest.mark.parametrize(
    "data",
    [
        f"{RECEIVED}\r\n\r\n".encode(),
        f"HTTP/1.1 {RECEIVED}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\n{RECEIVED}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nContent-Length: {RECEIVED}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nX: {RECEIVED * 9999}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{RECEIVED}\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;{RECEIVED}\r\nabc".encode(),
        http(f'"{RECEIVED}"'),
        http(RECEIVED),
        http(RECEIVED, status="206 Partial"),
        http(answer(None, errors=[{"message": RECEIVED, "code": 1}]), status=f"403 {RECEIVED}"),
        http(answer(None, success=False, errors=[{"message": RECEIVED}])),
        http(answer({RECEIVED: 1}).replace(b"}}", f',"{RECEIVED}":1}}}}'.encode())),
        http(answer(user(events=RECEIVED))),
        http(answer(user(), result_info={"page": RECEIVED})),
        http(status="200 OK", headers={"Content-Encoding": RECEIVED}),
        http(status="429 Slow", headers={"Retry-After": RECEIVED}),
        http(status="302 Found", headers={"Location": RECEIVED}),
        http(b"", status="403 No", headers={"CF-RAY": RECEIVED}),
    ],
)
async def test_no_message_repeats_received_bytes(data: bytes) -> None:
    """Messages reach the log, the status page and terminals."""
    async with asking(Reply(data, Ending.CLOSE)) as asked:
        with pytest.raises(PollError) as caught:
            await asked.client.read_user("acc", "u1")

    text = str(caught.value)
    assert not [part for part in (*RECEIVED.split(), "Ada") if part in text]
    assert len(text) <= LONGEST_MESSAGE
    assert text.isprintable()


def test_a_message_is_one_line_of_bounded_length() -> None:
    """By construction, so that no new message can break it."""
    text = str(NetworkError("a\nb\r\x1b[31m" + "x" * 9999))

    assert text.isprintable()
    assert len(text) == LONGEST_MESSAGE


@pytest.mark.parametrize(
    "reply",
    [
        http(status="403 No", headers={"CF-RAY": "8a1b2c3d4e5f6789-FRA"}),
        http(status="429 Slow", headers={"CF-RAY": "8a1b2c3d4e5f6789-FRA"}),
        http("<html>", headers={"CF-RAY": "8a1b2c3d4e5f6789-FRA"}),
    ],
)
async def test_a_failed_request_names_its_ray(reply: bytes) -> None:
    """Cloudflare's support asks for it."""
    async with asking(reply) as asked:
        with pytest.raises(PollError) as caught:
            await asked.client.read_user("acc", "u1")

    assert caught.value.ray_id == "8a1b2c3d4e5f6789-FRA"
    assert str(caught.value).endswith("(CF-RAY 8a1b2c3d4e5f6789-FRA)")


@pytest.mark.parametrize("ray", ["", "a b", "x" * 65, "a_b", "ada@example.com", "é"])
async def test_what_is_no_ray_is_left_out(ray: str) -> None:
    """A header is received text."""
    async with asking(http(status="403 No", headers={"CF-RAY": ray})) as asked:
        with pytest.raises(PollError) as caught:
            await asked.client.read_user("acc", "u1")

    assert caught.value.ray_id is None
    assert "CF-RAY" not in str(caught.value)


EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"


@pytest.mark.parametrize("count", [1, MOST_INFORMATIONAL])
async def test_some_informational_responses_may_come_first(count: int) -> None:
    """HTTP allows them before any answer, also on a connection that is used again."""
    async with asking(EARLY_HINTS * count + GOOD) as asked:
        for _ in range(3):
            await asked.client.read_user("acc", "u1")

    assert asked.api.connections == 1


async def test_endless_informational_responses_are_refused() -> None:
    """A few hundred bytes are enough to know; the rest is never parsed."""
    async with asking(Reply(EARLY_HINTS * 200_000 + GOOD, Ending.CLOSE)) as asked:
        with pytest.raises(BadResponseError) as caught:
            await asked.client.read_user("acc", "u1")

    assert caught.value.field == "headers"


API = "api.example.test:443"


@asynccontextmanager
async def proxied_api(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, credentials: str | None = None
) -> AsyncIterator[ConnectProxy]:
    """Run an API with TLS that only a proxy can reach; nothing trusts its certificate yet."""
    authority = make_certificate(folder, "ca")
    leaf = make_certificate(folder, "api", sans="DNS:api.example.test", issuer=authority)
    async with raw_api(GOOD, tls=server_tls(leaf)) as api:
        port = int(api.url.rsplit(":", 1)[1].split("/")[0])
        async with connect_proxy({API: port}, credentials=credentials) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            yield proxy


async def test_a_certificate_behind_a_proxy_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tunnel changes nothing about whom the token is shown to."""
    async with proxied_api(tmp_path, monkeypatch) as proxy:
        error = await failure_at("https://api.example.test/client/v4")

    assert type(error) is TlsError
    assert f"the certificate of {API} cannot be verified" in str(error)
    assert proxy.requests == [f"CONNECT {API} HTTP/1.1"]


async def test_credentials_of_a_proxy_are_sent_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy accepts them: the failure is the certificate's, behind it."""
    credentials = f"someone:{PASSWORD}"
    async with proxied_api(tmp_path, monkeypatch, credentials=credentials):
        error = await failure_at("https://api.example.test/client/v4")

    assert type(error) is TlsError
    assert PASSWORD not in f"{error} {error!r} {error.__cause__} {error.__cause__!r}"


async def test_a_proxy_that_wants_credentials_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's own words are received text and left out."""
    async with proxied_api(tmp_path, monkeypatch, credentials="a:b") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://x:{PASSWORD}@127.0.0.1:{proxy.port}")
        error = await failure_at("https://api.example.test/client/v4")

    assert type(error) is NetworkError
    assert str(error) == (
        f"the proxy 127.0.0.1:{proxy.port} refuses connections to {API} (HTTP 407);"
        " put user and password into HTTPS_PROXY"
    )
    assert PASSWORD not in f"{error!r} {error.__cause__} {error.__cause__!r}"


async def test_a_proxy_that_forbids_the_host_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules have to name the API."""
    async with proxied_api(tmp_path, monkeypatch) as proxy:
        error = await failure_at("https://other.example.test/client/v4")

    assert str(error) == (
        f"the proxy 127.0.0.1:{proxy.port} refuses connections to other.example.test:443"
        " (HTTP 403); check HTTPS_PROXY and the proxy's rules"
    )


async def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the API, which was never tried."""
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{PASSWORD}@127.0.0.1:{port}")

    error = await failure_at("https://api.example.test/client/v4")

    assert str(error) == (
        f"cannot connect to the proxy 127.0.0.1:{port} (connection refused);"
        " check HTTPS_PROXY and the network"
    )
    assert PASSWORD not in f"{error!r} {error.__cause__} {error.__cause__!r}"


async def test_a_proxy_whose_name_does_not_resolve_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name in doubt is the proxy's."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{PASSWORD}@proxy.invalid:3128")

    error = await failure_at("https://api.example.test/client/v4")

    assert str(error) == "cannot resolve the proxy proxy.invalid; check HTTPS_PROXY and DNS"


async def test_no_proxy_lists_hosts_that_are_reached_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names match by suffix, as in other programs."""
    async with proxied_api(tmp_path, monkeypatch) as proxy:
        monkeypatch.setenv("NO_PROXY", "example.org,invalid")
        error = await failure_at("https://api.invalid/client/v4")

    assert str(error).startswith("cannot resolve api.invalid;")
    assert proxy.requests == []


async def test_a_loopback_api_never_uses_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo works where the environment sets a proxy, even one that is down."""
    dead = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HTTP_PROXY", dead)
    monkeypatch.setenv("HTTPS_PROXY", dead)
    async with raw_api(GOOD) as api:
        for host in ("127.0.0.1", "localhost"):
            async with client_of(api.url.replace("127.0.0.1", host)) as client:
                await client.read_user("acc", "u1")

    assert len(api.received) == 2


@pytest.mark.parametrize(
    ("host", "has_proxy"),
    [
        ("localhost", False),
        ("LOCALHOST.", False),
        ("api.localhost", False),
        ("127.8.9.10", False),
        ("[::1]", False),
        ("[::ffff:127.0.0.1]", False),
        ("notlocalhost", True),
        ("localhost.example.com", True),
        ("128.0.0.1", True),
        ("[::2]", True),
        ("[::ffff:8.8.8.8]", True),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_only_loopback_hosts_bypass_the_proxy(
    scheme: str, host: str, *, has_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine must stay behind the proxy that its operator configured."""
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", "http://proxy.example.test:3128")

    assert (proxy_for(URL(f"{scheme}://{host}:8080/")) is not None) is has_proxy


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
async def test_a_plain_request_carries_the_credentials_of_the_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a tunnel there is no other request that could carry them."""
    async with raw_api(GOOD) as proxy:
        port = proxy.url.rsplit(":", 1)[1].split("/")[0]
        monkeypatch.setenv(variable, f"http://someone:{PASSWORD}@127.0.0.1:{port}")
        async with client_of("http://api.example.test") as client:
            await client.read_user("acc", "u1")

    assert proxy.received[0].line.startswith("GET http://api.example.test/accounts/acc/")
    assert proxy.received[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "value", [f"https://a:{PASSWORD}@h:1", f"socks5://a:{PASSWORD}@h:1", PASSWORD, f"h:{PASSWORD}"]
)
async def test_a_proxy_of_another_kind_is_a_matter_of_configuration(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To go without it would send the token another way than was ordered."""
    monkeypatch.setenv("HTTPS_PROXY", value)

    with pytest.raises(ConfigurationError, match="HTTPS_PROXY: expected http://") as caught:
        await failure_at("https://api.example.test/client/v4")

    assert PASSWORD not in str(caught.value)


async def test_an_exchange_names_its_token_by_a_fingerprint() -> None:
    """Two tokens differ, one stays the same, and nothing of it is readable."""
    exchanges: list[Exchange] = []
    for token in (SECRET, SECRET, SECRET + "x"):
        async with asking(GOOD, token=TokenSource.from_literal(token)) as asked:
            await asked.client.read_user("acc", "u1")
        exchanges += asked.exchanges

    first, again, other = (exchange.token for exchange in exchanges)
    assert first == again != other
    assert len(first) == 12
    assert set(first) <= set("0123456789abcdef")
