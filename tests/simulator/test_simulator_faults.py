"""Each fault as bytes on a socket."""

import asyncio
import time

import msgspec
import pytest
from yarl import URL

from exporter.clock import SystemClock
from tests.support.simulator import ADA, Talk, still_scenario, talk_to_simulator


async def _raw_answer(talk: Talk, path: str = "/summary") -> bytes:
    """Return every byte the server sends; the request asks it to close the connection."""
    url = URL(talk.account_url + path)
    assert url.host is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = (
        f"GET {url.raw_path} HTTP/1.1",
        f"Host: {url.host}",
        f"Authorization: {talk.auth['Authorization']}",
        "Connection: close",
    )
    try:
        writer.write("\r\n".join((*lines, "", "")).encode())
        return await reader.read()
    finally:
        writer.close()


def _body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def _promised_bytes(answer: bytes) -> int:
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    (line,) = (line for line in head.split("\r\n") if line.startswith("content-length:"))
    return int(line.partition(":")[2])


async def test_latency_gives_the_right_answer_late(talk: Talk) -> None:
    """A slow API still works."""
    await talk.order("faults", kind="latency", seconds=0.15)
    started = time.monotonic()

    status, _ = await talk.get("/summary")

    assert status == 200
    assert time.monotonic() - started >= 0.15


class _Gate(SystemClock):
    """A clock on which a wait of one minute lasts until the gate is opened."""

    def __init__(self) -> None:
        self.is_reached = asyncio.Event()
        self.is_open = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds != 60:
            await super().sleep(seconds)
            return
        self.is_reached.set()
        await self.is_open.wait()


@pytest.mark.parametrize(("computed", "events"), [("before", 2), ("after", 3)])
async def test_a_late_answer_has_the_state_before_or_after_the_wait(
    computed: str, events: int
) -> None:
    """A cache or a slow replica can send older state than an earlier response."""
    gate = _Gate()
    fault = {"kind": "latency", "seconds": "1m", "computed": computed}
    async with (
        talk_to_simulator(still_scenario(faults=[fault]), clock=gate) as talk,
        asyncio.TaskGroup() as tasks,
    ):
        asking = tasks.create_task(talk.get(f"/{ADA}"))
        await gate.is_reached.wait()
        await talk.order("events", user=ADA, behavior="high_dlp")
        gate.is_open.set()
        content = (await asking)[1]

    assert len(msgspec.convert(content, _UserAnswer).result.events) == events


class _Events(msgspec.Struct):
    events: list[dict[str, object]]


class _UserAnswer(msgspec.Struct):
    result: _Events


async def test_a_throttled_request_has_an_envelope_and_a_retry_after(talk: Talk) -> None:
    """A real 429 has both, whatever quota is left."""
    await talk.order("faults", kind="throttle", retry_after=7)

    async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
        content = await answer.json()

    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert content["errors"][0]["code"] == 971


@pytest.mark.parametrize("status", [200, 500, 503])
async def test_an_error_says_success_false(talk: Talk, status: int) -> None:
    """Also with status 200, because the envelope decides."""
    await talk.order("faults", kind="error", status=status)

    answered, content = await talk.get("/summary")

    assert answered == status
    assert msgspec.convert(content, dict[str, object])["success"] is False


@pytest.mark.parametrize(("status", "seen"), [(502, 502), (522, 522), (1015, 429)])
async def test_the_edge_answers_with_html_pages(talk: Talk, status: int, seen: int) -> None:
    """A response of the edge has no envelope."""
    await talk.order("faults", kind="html", status=status)

    async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
        page = await answer.text()

    assert (answer.status, answer.content_type) == (seen, "text/html")
    assert f"Error {status}" in page


async def test_a_truncated_body_is_shorter_than_promised(talk: Talk) -> None:
    """The headers are correct, and the connection ends early."""
    await talk.order("faults", kind="truncate")

    answer = await _raw_answer(talk)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert 0 < len(_body_of(answer)) < _promised_bytes(answer)


async def test_a_stall_is_silent_in_the_middle_of_the_body(talk: Talk) -> None:
    """Only a timeout that includes the body detects it."""
    await talk.order("faults", kind="stall", seconds=0.15)
    started = time.monotonic()

    answer = await _raw_answer(talk)

    assert time.monotonic() - started >= 0.15
    assert 0 < len(_body_of(answer)) < _promised_bytes(answer)


async def test_a_dropped_connection_gives_nothing(talk: Talk) -> None:
    """The response has not even a status."""
    await talk.order("faults", kind="drop")

    assert await _raw_answer(talk) == b""


async def test_a_malformed_answer_is_json_without_an_envelope(talk: Talk) -> None:
    """It parses but is not a valid response."""
    await talk.order("faults", kind="malformed")

    status, content = await talk.get("/summary")

    assert status == 200
    assert isinstance(content, list)


async def test_a_null_result_comes_with_success(talk: Talk) -> None:
    """A client must not read it as an account without risk."""
    await talk.order("faults", kind="null_result")

    _, content = await talk.get("/summary")

    assert content == {"success": True, "errors": [], "messages": [], "result": None}


async def test_a_fault_applies_only_to_the_selected_requests(talk: Talk) -> None:
    """A test can break one resource and check the others."""
    await talk.order("faults", kind="error", operation="summary", account="acme", token="full")
    await talk.order("faults", kind="error", account="globex")
    await talk.order("faults", kind="error", token="other")

    statuses = [(await talk.get(path))[0] for path in ("/summary", f"/{ADA}", "/behaviors")]

    assert statuses == [500, 200, 200]


async def test_a_fault_applies_as_often_as_configured(talk: Talk) -> None:
    """Afterwards the fault is over and no longer listed."""
    await talk.order("faults", kind="error", count=2)

    statuses = [(await talk.get("/summary"))[0] for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert await talk.faults() == []


async def test_a_fault_applies_to_its_share_of_requests() -> None:
    """The randomness is seeded, so a run can be repeated."""
    fault = {"kind": "error", "probability": 0.3}
    async with talk_to_simulator(still_scenario(faults=[fault])) as talk:
        statuses = [(await talk.get("/summary"))[0] for _ in range(100)]

    assert 15 <= statuses.count(500) <= 45


async def test_faults_can_be_cleared(talk: Talk) -> None:
    """One fault by its number, or all."""
    first = await talk.order("faults", kind="error", operation="summary")
    await talk.order("faults", kind="error", operation="behaviors")
    url = f"{talk.simulator.admin_url}/faults"

    async with talk.session.delete(url, params={"number": str(first["number"])}) as answer:
        assert await answer.json() == {"cleared": 1}
    assert (await talk.get("/summary"))[0] == 200
    async with talk.session.delete(url) as answer:
        assert await answer.json() == {"cleared": 1}
    assert (await talk.get("/behaviors"))[0] == 200


@pytest.mark.parametrize(
    "kind", ["throttle", "error", "html", "truncate", "stall", "malformed", "null_result"]
)
async def test_an_incomplete_answer_has_shown_nothing(talk: Talk, kind: str) -> None:
    """The ground truth must not count what no reader received."""
    await talk.get("/summary")
    await talk.order("events", user=ADA, behavior="high_dlp")
    await talk.order("faults", kind=kind, seconds=0)

    await _raw_answer(talk, f"/{ADA}")

    assert not any(event.shown for event in (await talk.truth()).user(ADA).events)


async def test_an_incomplete_first_summary_is_not_a_baseline(talk: Talk) -> None:
    """A reader that received half a body has no baseline."""
    await talk.order("faults", kind="truncate", operation="summary")

    await _raw_answer(talk)

    assert (await talk.truth()).baseline is None


async def test_the_log_has_the_faults_that_applied(talk: Talk) -> None:
    """A test can check which of its requests failed, and how."""
    await talk.order("faults", kind="html", count=1)
    await _raw_answer(talk)
    await _raw_answer(talk)

    log = await talk.log()

    assert [(one.operation, one.status, one.fault) for one in log.requests] == [
        ("summary", 502, "html"),
        ("summary", 200, None),
    ]
