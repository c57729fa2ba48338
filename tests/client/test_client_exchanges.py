import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from exporter.cloudflare.client import CloudflareClient, TokenSource
from exporter.cloudflare.wire import OPERATIONS, QuotaLeft
from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    PollError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
)
from exporter.risk.model import BehaviorChange, RiskLevel
from tests.support.answers import answer, event, integration, row, summary, user
from tests.support.asking import SECRET, asking
from tests.support.raw_api import Ending, Reply, http, raw_api

CALLS: list[tuple[Callable[[CloudflareClient], Awaitable[object]], object]] = [
    (lambda client: client.read_summary("acc"), {"users": [row()]}),
    (lambda client: client.read_user("acc", "u1"), user(event())),
    (lambda client: client.reset_user("acc", "u1"), None),
    (lambda client: client.read_behaviors("acc"), {"behaviors": {}}),
    (
        lambda client: client.set_behaviors(
            "acc", {"dlp": BehaviorChange(enabled=True, level=RiskLevel.LOW)}
        ),
        {"behaviors": {"dlp": {"enabled": True, "risk_level": "low"}}},
    ),
    (lambda client: client.list_integrations("acc"), [integration()]),
    (
        lambda client: client.create_integration("acc", integration_type="Okta", tenant_url="t"),
        integration(),
    ),
    (lambda client: client.read_integration("acc", "i1"), integration()),
    (
        lambda client: client.update_integration("acc", "i1", active=True, tenant_url="t"),
        integration(),
    ),
    (lambda client: client.delete_integration("acc", "i1"), None),
    (lambda client: client.find_integration("acc", "ref"), integration()),
]


@pytest.mark.parametrize(
    ("operation", "call", "result"),
    [(str(name), *call) for name, call in zip(OPERATIONS, CALLS, strict=True)],
)
async def test_each_operation_goes_out_and_its_answer_comes_back(
    operation: str, call: Callable[[CloudflareClient], Awaitable[object]], result: object
) -> None:
    """Every call is reported under its own name."""
    async with asking(http(answer(result))) as asked:
        await call(asked.client)

    assert [(e.operation, e.outcome) for e in asked.exchanges] == [(operation, "200")]
    assert asked.api.received[0].line.split()[1].startswith("/client/v4/accounts/acc/")


async def test_a_request_says_who_asks_and_what_is_accepted() -> None:
    """A bearer token, gzip, and a name the API's operators can find us by."""
    async with asking(http(answer({"behaviors": {}}))) as asked:
        await asked.client.set_behaviors("acc", {})

    (received,) = asked.api.received
    assert received.line == "PUT /client/v4/accounts/acc/zt_risk_scoring/behaviors HTTP/1.1"
    assert received.headers["authorization"] == f"Bearer {SECRET}"
    assert received.headers["accept-encoding"] == "gzip"
    assert received.headers["user-agent"].startswith("cloudflare-risk-exporter/")
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {"behaviors": {}}
    assert "cookie" not in received.headers


async def test_an_encoded_id_travels_as_it_is() -> None:
    """A client that decodes and normalises paths would ask for something else."""
    async with asking(http(answer(integration()))) as asked:
        await asked.client.find_integration("acc", "../a b?c")

    assert "/reference_id/..%2Fa%20b%3Fc HTTP" in asked.api.received[0].line


async def test_one_connection_serves_many_requests() -> None:
    """A handshake per request would cost more than the request."""
    async with asking(http(summary([]), compressed=True)) as asked:
        for _ in range(3):
            await asked.client.read_summary("acc")

    assert asked.api.connections == 1


async def test_the_connection_survives_a_refusal() -> None:
    """A 404 is an everyday answer."""
    async with asking(http(b"{}", status="404 Not Found"), http(answer(user()))) as asked:
        with pytest.raises(PollError):
            await asked.client.read_user("acc", "gone")
        await asked.client.read_user("acc", "u1")

    assert asked.api.connections == 1


@pytest.mark.parametrize("compressed", [True, False])
async def test_a_summary_is_read_however_it_is_encoded(*, compressed: bool) -> None:
    """We ask for gzip, and a server may not care."""
    rows = [row(f"u{number}") for number in range(1000)]
    async with asking(http(summary(rows), compressed=compressed)) as asked:
        reading = await asked.client.read_summary("acc")

    assert len(reading.users) == 1000


async def test_a_long_summary_comes_in_slices() -> None:
    """The first users are there before the last byte is."""
    rows = [row(f"u{number}") for number in range(1000)]
    async with asking(http(summary(rows), compressed=True)) as asked:
        sizes = [len(reading.users) async for reading in asked.client.stream_summary("acc")]

    assert sum(sizes) == 1000
    assert len(sizes) > 5


async def test_other_tasks_run_between_slices() -> None:
    """A summary that has arrived whole must still not hold the loop from end to end."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    rows = [row(f"u{number}") for number in range(1000)]
    async with asking(http(summary(rows))) as asked:
        counting = asyncio.create_task(count())
        seen = [turns async for _ in asked.client.stream_summary("acc")]
        counting.cancel()

    assert len(set(seen)) == len(seen)


async def test_a_stream_left_early_is_still_reported() -> None:
    """The request was made and counts against the quota."""
    rows = [row(f"u{number}") for number in range(5000)]
    async with (
        asking(http(summary(rows))) as asked,
        aclosing(asked.client.stream_summary("acc")) as stream,
    ):
        await anext(stream)

    assert [e.outcome for e in asked.exchanges] == ["200"]


async def test_all_pages_are_read_and_joined() -> None:
    """Half the users would look gone."""

    def page(number: int, *users: str) -> bytes:
        info = {"page": number, "total_pages": 3}
        return http(summary([row(user_id) for user_id in users], result_info=info))

    async with asking(page(1, "a", "b"), page(2, "b", "c"), page(3, "d")) as asked:
        reading = await asked.client.read_summary("acc")

    assert [u.user_id for u in reading.users] == ["a", "b", "c", "d"]
    assert [r.line.split()[1].partition("?")[2] for r in asked.api.received] == [
        "",
        "page=2",
        "page=3",
    ]


async def test_pages_of_integrations_and_behaviors_are_joined_too() -> None:
    """Should the API ever page them."""
    info = [{"page": number, "total_pages": 2} for number in (1, 2)]
    bare = {"enabled": True, "risk_level": "low"}
    async with asking(
        http(answer([integration("a")], result_info=info[0])),
        http(answer([integration("b"), 7], result_info=info[1])),
        http(answer({"behaviors": {"a": bare}}, result_info=info[0])),
        http(answer({"behaviors": {"a": bare, "b": bare}}, result_info=info[1])),
    ) as asked:
        integrations = await asked.client.list_integrations("acc")
        behaviors = await asked.client.read_behaviors("acc")

    assert [one.integration_id for one in integrations] == ["a", "b"]
    assert [one.key for one in behaviors] == ["a", "b"]
    assert [e.unreadable_rows for e in asked.exchanges] == [0, 1, 0, 0]


async def test_an_api_that_ignores_the_page_is_not_believed() -> None:
    """It would give the first page for ever."""
    info = {"page": 1, "total_pages": 2}
    async with asking(http(summary([row()], result_info=info))) as asked:
        with pytest.raises(BadResponseError, match=r"result_info\.page"):
            await asked.client.read_summary("acc")


async def test_what_could_not_be_read_is_reported() -> None:
    """Telemetry counts it even where the answer was good."""
    rows = [row(f"u{number}", event_count=number % 2 - 1) for number in range(1000)]
    async with asking(http(summary(rows)), http(answer(user(event(), None)))) as asked:
        reading = await asked.client.read_summary("acc")
        details = await asked.client.read_user("acc", "u1")

    assert reading.unreadable == 500
    assert details.unreadable_events == 1
    assert [e.unreadable_rows for e in asked.exchanges] == [500, 1]


async def test_the_quota_is_reported_with_every_answer() -> None:
    """Good or bad, and read from repeated headers as from joined ones."""
    quota = {"Ratelimit": '"default";r=50;t=30', "ratelimit": '"burst";r=1;t=1'}
    good = http(answer(user()), headers=quota)
    bad = http(status="500 Oops", headers=quota)
    async with asking(good, bad) as asked:
        await asked.client.read_user("acc", "u1")
        with pytest.raises(ServerError):
            await asked.client.read_user("acc", "u1")

    assert [e.outcome for e in asked.exchanges] == ["200", "500"]
    for exchange in asked.exchanges:
        assert exchange.quota is not None
        assert exchange.quota.left == (QuotaLeft("default", 50, 30.0), QuotaLeft("burst", 1, 1.0))
        assert exchange.seconds > 0


async def test_being_throttled_is_reported_before_it_is_raised() -> None:
    """The governor must know before anything else is asked."""
    async with asking(http(status="429 Slow Down", headers={"Retry-After": "120"})) as asked:
        with pytest.raises(ThrottledError) as caught:
            await asked.client.read_user("acc", "u1")

    assert caught.value.retry_after_seconds == 120.0
    assert asked.exchanges[0].retry_after_seconds == 120.0


async def test_a_redirect_is_not_followed() -> None:
    """The token would go wherever it points."""
    async with raw_api(http(answer(user()))) as elsewhere:
        redirect = http(status="302 Found", headers={"Location": f"{elsewhere.url}/stolen"})
        async with asking(redirect) as asked:
            with pytest.raises(BadResponseError) as caught:
                await asked.client.read_user("acc", "u1")

    assert caught.value.field == "status"
    assert elsewhere.received == []


async def test_cookies_are_not_kept() -> None:
    """Cloudflare's are for browsers; kept, they would tie requests together."""
    async with asking(http(answer(user()), headers={"Set-Cookie": "__cf_bm=x; Path=/"})) as asked:
        await asked.client.read_user("acc", "u1")
        await asked.client.read_user("acc", "u1")

    assert "cookie" not in asked.api.received[1].headers


async def test_a_netrc_does_not_get_in_the_tokens_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that heeds proxy variables also heeds netrc, and many home folders have one."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with asking(http(answer(user()))) as asked:
        await asked.client.read_user("acc", "u1")

    assert asked.api.received[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refused_token_is_read_again(tmp_path: Path, status: str) -> None:
    """It may have been replaced by one that looks alike to `stat`."""
    path = tmp_path / "token"
    path.write_text("first")
    source = TokenSource.from_file(path)
    async with asking(http(status=status), http(answer(user())), token=source) as asked:
        before = path.stat()
        path.write_text("other")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises((UnauthorizedError, ForbiddenError)):
            await asked.client.read_user("acc", "u1")
        await asked.client.read_user("acc", "u1")

    assert [r.headers["authorization"] for r in asked.api.received] == [
        "Bearer first",
        "Bearer other",
    ]


async def test_the_borrowed_session_stays_open() -> None:
    """Several clients share one."""
    async with asking(http(answer(user()))) as asked:
        await asked.client.read_user("acc", "u1")
        session = asked.client._transport._session
        assert not session.closed
    assert session.closed


async def test_a_cancelled_request_is_reported_as_such() -> None:
    """It was sent and counts against the quota; a reload or a shutdown is no failure of the API."""
    async with asking(Reply(b"", Ending.STALL)) as asked:
        asking_task = asyncio.create_task(asked.client.read_user("acc", "u1"))
        await asked.api.asked.wait()
        asking_task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking_task

    assert [exchange.outcome for exchange in asked.exchanges] == ["cancelled"]
