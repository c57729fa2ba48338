import asyncio
import base64
import gzip
import hashlib

import pytest
from structlog.testing import capture_logs

from exporter.settings import ListenAddress
from exporter.web import RequestPolicy
from tests.support.manual_clock import ManualClock
from tests.support.web_server import OPENMETRICS, TEXT, Sources, serve

LIFECYCLE = RequestPolicy(enable_lifecycle=True)


async def test_metrics_are_text_by_default() -> None:
    """The content type, exactly: Prometheus chooses its parser by it."""
    async with serve() as served:
        answer = await served.client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == TEXT
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers["Content-Length"] == "11"
    assert answer.text == "lamp_lit 1\n"


async def test_metrics_are_openmetrics_where_asked_for() -> None:
    """As a real scraper asks, in two headers that count as one (RFC 9110, 5.3)."""
    wish = [("Accept", "application/openmetrics-text;version=1.0.0"), ("Accept", "*/*;q=0.1")]
    async with serve() as served:
        answer = await served.client.get("/metrics", headers=wish)
    assert answer.headers["Content-Type"] == OPENMETRICS


async def test_metrics_are_compressed_where_accepted() -> None:
    """Fourteen megabytes against eighty."""
    async with (
        serve() as served,
        served.client.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        body = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"lamp_lit 1\n"


async def test_several_pieces_arrive_as_one_body() -> None:
    """The body is never built in memory; nobody must see that."""
    pieces = [b"a" * 300_000, b"b" * 300_000, b"c\n"]
    async with serve(Sources(pieces)) as served:
        answer = await served.client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert answer.content == b"".join(pieces)


async def test_names_are_handed_on() -> None:
    """`?name[]=` asks for some families alone, as with prometheus-client."""
    sources = Sources()
    async with serve(sources) as served:
        await served.client.get("/metrics?name[]=a&name%5B%5D=b")
    assert sources.names == frozenset({"a", "b"})


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_head_is_get_without_the_body(path: str) -> None:
    """Load balancers look with HEAD; a body there would be taken for the next answer."""
    async with serve(clock=ManualClock(0.0)) as served:
        got = await served.client.get(path)
        headed = await served.client.head(path)
        again = await served.client.get(path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["Content-Length"] == got.headers["Content-Length"]
    assert again.content == got.content


async def test_healthy_says_whether_the_tasks_run() -> None:
    """A supervisor restarts what is not healthy."""
    sources = Sources()
    async with serve(sources) as served:
        assert (await served.client.get("/-/healthy")).status_code == 200
        sources.are_healthy = False
        assert (await served.client.get("/-/healthy")).status_code == 503


async def test_ready_is_503_before_the_first_polls_have_ended() -> None:
    """A scrape before that would show accounts without data."""
    sources = Sources(are_ready=False)
    async with serve(sources) as served:
        assert (await served.client.get("/-/ready")).status_code == 503
        sources.are_ready = True
        assert (await served.client.get("/-/ready")).status_code == 200


async def test_reload_tells_that_it_went_well() -> None:
    """As Prometheus itself answers."""
    sources = Sources()
    async with serve(sources, policy=LIFECYCLE) as served:
        assert (await served.client.post("/-/reload")).status_code == 200
    assert sources.reloads == 1


async def test_reload_tells_what_is_wrong() -> None:
    """Whoever asked must see that the old configuration stays, and why."""
    async with serve(Sources(problem="poll_interval: not a duration"), policy=LIFECYCLE) as served:
        answer = await served.client.post("/-/reload")
    assert answer.status_code == 500
    assert "poll_interval: not a duration" in answer.text


async def test_a_reload_by_http_is_refused_unless_lifecycle_is_enabled() -> None:
    """Every program and page that reaches the port could post; the answer names the setting."""
    sources = Sources()
    async with serve(sources) as served:
        answer = await served.client.post("/-/reload")
    assert answer.status_code == 403
    assert "enable_lifecycle" in answer.text
    assert sources.reloads == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://evil.example:10876", "Host": "evil.example:10876"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_origin_may_not_reload(headers: dict[str, str]) -> None:
    """A browser sends a POST without asking; the last Host is one after DNS rebinding."""
    sources = Sources()
    async with serve(sources, policy=LIFECYCLE, listen=ListenAddress("", 0)) as served:
        answer = await served.client.post("/-/reload", headers=headers)
    assert answer.status_code == 403
    assert "another origin" in answer.text
    assert sources.reloads == 0


async def test_a_page_of_the_exporter_itself_may_reload() -> None:
    """Origin and Host agree, and the browser says so."""
    sources = Sources()
    async with serve(sources, policy=LIFECYCLE) as served:
        headers = {"Origin": served.server.url, "Sec-Fetch-Site": "same-origin"}
        assert (await served.client.post("/-/reload", headers=headers)).status_code == 200
    assert sources.reloads == 1


@pytest.mark.parametrize("host", ["evil.example", "evil.example:10876", "127.0.0.1.evil.example"])
async def test_a_loopback_listener_refuses_other_hosts(host: str) -> None:
    """After DNS rebinding a web page would read every email in the metrics."""
    async with serve() as served:
        answer = await served.client.get("/metrics", headers={"Host": host})
    assert answer.status_code == 403
    assert "allowed_hosts" in answer.text
    assert host not in answer.text


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:10876", "LOCALHOST.", "127.0.0.1", "127.8.9.1:80"),
        *("[::1]:10876", "[::1]", "::1", "exporter.example:10876"),
    ],
)
async def test_a_loopback_listener_answers_loopback_names_and_allowed_hosts(host: str) -> None:
    """Operators reach it by any of these, through a tunnel or a proxy by a name of their own."""
    policy = RequestPolicy(allowed_hosts=("exporter.example",))
    async with serve(policy=policy) as served:
        answer = await served.client.get("/metrics", headers={"Host": host})
    assert answer.status_code == 200


async def test_a_listener_on_every_interface_answers_any_host() -> None:
    """Prometheus reaches it by names that the exporter cannot know."""
    async with serve(listen=ListenAddress("", 0)) as served:
        answer = await served.client.get("/metrics", headers={"Host": "exporter.example"})
    assert answer.status_code == 200


async def test_a_request_without_a_host_is_answered() -> None:
    """HTTP/1.0 has none, and no browser leaves it out."""
    async with serve() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"GET /-/ready HTTP/1.0\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.0 200")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/-/reload", "POST"),
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/-/healthy", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    """RFC 9110, 15.5.6: a 405 must say Allow. A GET, which links make, must reload nothing."""
    sources = Sources()
    async with serve(sources) as served:
        answer = await served.client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert sources.reloads == 0


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "/-/quit", "/favicon.ico"])
async def test_an_unknown_path_is_404(path: str) -> None:
    """Short and plain, without the path in it."""
    async with serve() as served:
        answer = await served.client.get(path)
    assert (answer.status_code, answer.text) == (404, "Not found\n")


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/nowhere"])
async def test_every_answer_forbids_a_browser_what_it_does_not_need(path: str) -> None:
    """Labels hold what strangers typed; nothing of it may ever run."""
    async with serve() as served:
        headers = (await served.client.get(path)).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "GARBAGE", "GET / HTTP/9.9"])
async def test_no_answer_tells_versions(request_line: str) -> None:
    """Not even the one to what is no HTTP."""
    async with serve() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith("HTTP/1.")
    assert "Server: cloudflare-risk-exporter\r\n" in answer
    assert "aiohttp" not in answer


async def test_what_is_not_http_is_no_error_in_the_log() -> None:
    """A port scan must not wake anybody."""
    with capture_logs() as events:
        async with serve() as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("request.malformed", "debug")
    ]


async def test_a_request_is_logged_at_debug_without_its_query() -> None:
    """A secret in a query is the scraper's mistake; keeping it would be ours."""
    with capture_logs() as events:
        async with serve() as served:
            await served.client.get("/-/ready?token=secret")
    (event,) = events
    assert (event["event"], event["log_level"]) == ("request.answered", "debug")
    assert (event["method"], event["path"], event["status"]) == ("GET", "/-/ready", 200)
    assert "secret" not in str(event)


async def test_a_bug_is_a_500_that_tells_nothing() -> None:
    """The traceback is for the log; a stranger gets one line."""

    class Broken(Sources):
        def healthy(self) -> bool:
            raise ZeroDivisionError("a bug")

    with capture_logs() as events:
        async with serve(Broken()) as served:
            answer = await served.client.get("/-/healthy", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.text) == (500, "Internal Server Error\n")
    assert [event["event"] for event in events] == ["request.failed"]


async def test_the_page_is_html_as_of_now() -> None:
    """A page that does not say how old it is would be believed for ever."""
    async with serve(clock=ManualClock(1_700_000_000.0)) as served:
        answer = await served.client.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "2023-11-14 22:13:20 UTC" in answer.text


async def test_the_page_can_be_had_without_its_refreshing() -> None:
    """Whoever reads slowly, or selects text, must be able to keep the page still."""
    async with serve() as served:
        assert 'http-equiv="refresh"' in (await served.client.get("/")).text
        assert 'http-equiv="refresh"' not in (await served.client.get("/?refresh=off")).text


async def test_the_page_s_style_is_the_one_its_policy_allows() -> None:
    """A browser drops a style whose hash the policy does not name, without a word to us."""
    async with serve() as served:
        answer = await served.client.get("/")
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    assert style.strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
