import gzip
import ssl
import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.clock import SystemClock
from exporter.cloudflare.client import CloudflareClient, Exchange, TokenSource, open_session
from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    NetworkError,
    PollError,
    ServerError,
    ThrottledError,
    TimedOutError,
    TlsError,
)
from tests.support.answers import answer, row, summary, user
from tests.support.asking import SECRET, Asking, asking
from tests.support.raw_api import Ending, Reply, http

GOOD = http(answer(user()))
LONG = summary([row(f"u{number}") for number in range(3000)])
ZIPPED = http(LONG, compressed=True)


async def failure_of(asked: Asking) -> PollError:
    """Ask for a user; return the error, which must have been reported just so."""
    with pytest.raises(PollError) as caught:
        await asked.client.read_user("acc", "u1")
    assert len(asked.exchanges) == 1
    return caught.value


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", "timeout"),
        (b"HTTP/1.1 200 O", "timeout"),
        (GOOD[:-5], "200"),
        (http(status="200 OK", length=5), "200"),
    ],
)
async def test_a_stalled_answer_is_a_timeout(data: bytes, outcome: str) -> None:
    """The time of one attempt covers the body: a server may stall after its headers."""
    async with asking(Reply(data, Ending.STALL), timeout_seconds=0.05) as asked:
        error = await failure_of(asked)

    assert isinstance(error, TimedOutError)
    assert isinstance(error.__cause__, TimeoutError)
    assert asked.exchanges[0].outcome == outcome


async def test_a_stalled_stream_is_a_timeout() -> None:
    """Slices that came before do not make it whole."""
    half = Reply(ZIPPED[: len(ZIPPED) // 2], Ending.STALL)
    async with asking(half, timeout_seconds=0.1) as asked:
        with pytest.raises(TimedOutError):
            await asked.client.read_summary("acc")


@pytest.mark.parametrize("ending", [Ending.CLOSE, Ending.RESET])
@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 2"])
async def test_a_connection_dropped_before_the_answer_is_a_network_error(
    data: bytes, ending: Ending
) -> None:
    """Nothing came; trying again later may help."""
    async with asking(Reply(data, ending)) as asked:
        error = await failure_of(asked)

    assert isinstance(error, NetworkError)
    assert "headers" not in str(error)
    assert error.__cause__ is not None
    assert asked.exchanges[0].outcome == error.reason


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:-5],
        http(b"", headers={"Transfer-Encoding": "chunked"}).replace(b"Content-Length: 0\r\n", b"")
        + b"5\r\nabc",
        ZIPPED[:-4],
        ZIPPED[: len(ZIPPED) // 2],
        http(gzip.compress(LONG)[:-9], headers={"Content-Encoding": "gzip"}),
        http(b"not gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
async def test_a_body_cut_short_is_a_bad_response(data: bytes) -> None:
    """Whichever layer notices: length, chunks or compression."""
    async with asking(Reply(data, Ending.CLOSE)) as asked:
        with pytest.raises(BadResponseError) as caught:
            await asked.client.read_summary("acc")

    assert caught.value.field == "body"
    assert asked.exchanges[0].outcome == "200"


async def test_json_cut_short_without_a_length_is_a_bad_response() -> None:
    """Where the connection's end is the only mark, only JSON can tell."""
    data = GOOD.replace(b"Content-Length", b"X-Ignored")[:-5]
    async with asking(Reply(data, Ending.CLOSE)) as asked:
        error = await failure_of(asked)

    assert isinstance(error, BadResponseError)
    assert error.field == "body"


async def test_a_body_reset_in_the_middle_is_never_believed() -> None:
    """Whether bytes or only the reset arrive is the network's choice."""
    async with asking(Reply(ZIPPED[: len(ZIPPED) // 2], Ending.RESET)) as asked:
        with pytest.raises((NetworkError, BadResponseError)):
            await asked.client.read_summary("acc")


@pytest.mark.parametrize("compressed", [True, False])
async def test_a_body_beyond_the_bound_is_refused(*, compressed: bool) -> None:
    """Memory is bounded whatever the API, or somebody in its place, sends."""
    async with asking(http(LONG, compressed=compressed), max_body_bytes=100_000) as asked:
        with pytest.raises(BadResponseError, match="body: longer"):
            await asked.client.read_summary("acc")


async def test_a_gzip_bomb_is_refused() -> None:
    """The bound is of what comes out, not of what went in."""
    async with asking(http(bytes(50_000_000), compressed=True)) as asked:
        error = await failure_of(asked)

    assert isinstance(error, BadResponseError)
    assert "longer" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_response(data: bytes) -> None:
    """Another service may listen where the API was thought to be."""
    async with asking(Reply(data, Ending.CLOSE)) as asked:
        error = await failure_of(asked)

    assert isinstance(error, BadResponseError)
    assert error.field == "headers"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (http(status="429 Slow Down", headers={"Retry-After": "9"}, length=99), ThrottledError),
        (http(b"x", status="403 No", headers={"Content-Encoding": "gzip"}), ForbiddenError),
        (http(b"x", status="502 Bad", headers={"Content-Encoding": "br"}), ServerError),
        (http(b"<html>" * 99_999, status="520 Unknown"), ServerError),
    ],
)
async def test_a_status_counts_even_where_its_explanation_cannot_be_read(
    data: bytes, error: type[PollError]
) -> None:
    """A 429 missed for its broken body would be asked again at once."""
    async with asking(Reply(data, Ending.CLOSE)) as asked:
        assert type(await failure_of(asked)) is error


async def test_a_port_where_nobody_listens_is_a_network_error() -> None:
    """The API, or the proxy before it, is down."""
    exchanges: list[Exchange] = []
    async with asking(GOOD) as asked:
        closed_url = asked.api.url
    async with open_session() as session:
        client = CloudflareClient(
            session,
            api_url=closed_url,
            token=TokenSource.from_literal(SECRET),
            timeout_seconds=5.0,
            on_exchange=exchanges.append,
            clock=SystemClock(),
        )
        with pytest.raises(NetworkError):
            await client.read_user("acc", "u1")

    assert [(e.outcome, e.quota) for e in exchanges] == [("network", None)]


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """Make a certificate for the right address that no authority has signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_nobody_vouches_for_is_a_tls_error(
    self_signed: ssl.SSLContext,
) -> None:
    """Somebody may sit between us and the API; the token must not reach them."""
    async with asking(GOOD, tls=self_signed) as asked:
        error = await failure_of(asked)

    assert isinstance(error, TlsError)
    assert asked.api.received == []
    assert asked.exchanges[0].outcome == "tls"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Follow an error to its causes and contexts."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"", Ending.CLOSE),
        Reply(b"", Ending.RESET),
        Reply(b"", Ending.STALL),
        Reply(b"SSH-2.0\r\n\r\n", Ending.CLOSE),
        Reply(GOOD[:-3], Ending.CLOSE),
        Reply(http(b"<html>")),
        Reply(http(b"\xff")),
        Reply(http(status="302 Found", headers={"Location": f"/?{SECRET}"})),
        Reply(http(answer(None, errors=[{"message": f"bad {SECRET}"}]), status="401 No")),
        Reply(http(answer(None, errors=[{"message": f"bad {SECRET}"}]), status="400 No")),
    ],
)
async def test_nothing_ever_shows_the_token(reply: Reply) -> None:
    """Not an error, nor its causes, nor their reprs; not even when the API repeats it."""
    with capture_logs() as events:
        async with asking(reply, timeout_seconds=0.2) as asked:
            error = await failure_of(asked)
            shown = [f"{each} {each!r} {vars(each)}" for each in chain(error)]
            shown += traceback.format_exception(error)
            shown += [repr(asked.client), repr(asked.exchanges), repr(events)]

    assert SECRET not in " ".join(shown)


MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(("length", "fits"), [(8 * MEBIBYTE, True), (9 * MEBIBYTE, False)])
async def test_a_users_details_are_bounded(length: int, *, fits: bool) -> None:
    """They are held whole, those of several users at a time."""
    body = answer(user(), extra="x" * (length - 1000))
    async with asking(http(body, compressed=True), max_body_bytes=64 * MEBIBYTE) as asked:
        if fits:
            await asked.client.read_user("acc", "u1")
        else:
            with pytest.raises(BadResponseError, match="body: longer"):
                await asked.client.read_user("acc", "u1")


@pytest.mark.parametrize(("length", "fits"), [(2 * MEBIBYTE, True), (3 * MEBIBYTE, False)])
async def test_other_answers_are_bounded(length: int, *, fits: bool) -> None:
    """Behaviors and integrations are a few kilobytes."""
    body = answer([], extra="x" * (length - 1000))
    async with asking(http(body, compressed=True), max_body_bytes=64 * MEBIBYTE) as asked:
        if fits:
            await asked.client.list_integrations("acc")
        else:
            with pytest.raises(BadResponseError, match="body: longer"):
                await asked.client.list_integrations("acc")
