import asyncio
from collections import Counter

import pytest

from exporter.cloudflare.client import Exchange
from exporter.cloudflare.wire import QuotaHeaders, QuotaLeft, QuotaPolicy
from exporter.polling.governor import Governor
from exporter.polling.quota import Quota
from exporter.polling.quota_window import Priority
from exporter.status import PauseReason
from tests.support.clock import LoopClock, in_fake_time

TEN_A_MINUTE = QuotaHeaders(policies=(QuotaPolicy("default", limit=10, window_seconds=60.0),))


class Office:
    """A governor, and what came of asking it."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.paused: Counter[tuple[str, PauseReason]] = Counter()
        self.went: list[tuple[float, str, Priority]] = []
        self.governor = Governor(
            Quota(share=0.5),
            accounts=("acme", "globex"),
            clock=self.clock,
            on_paused=self._note_paused,
        )

    def _note_paused(self, account: str, reason: PauseReason, seconds: float) -> None:
        self.paused[account, reason] += round(seconds * 1000)

    def record_response(
        self, outcome: str = "200", *, retry_after_seconds: float | None = None
    ) -> None:
        """Be answered at once."""
        self.governor.record_response(
            Exchange(
                "get_user",
                outcome,
                0.0,
                quota=TEN_A_MINUTE,
                retry_after_seconds=retry_after_seconds,
            )
        )

    async def ask(self, priority: Priority = Priority.SUMMARY, *, account: str = "acme") -> None:
        """Ask once, when that is allowed."""
        with await self.governor.admit(account, priority):
            self.went.append((self.clock.monotonic(), account, priority))
            self.record_response()

    async def spend_budget(self) -> None:
        """Ask until there is nothing left for a minute."""
        for _ in range(5):
            await self.ask()
        self.went.clear()


@in_fake_time
async def test_whoever_waits_goes_by_priority_and_then_by_turn() -> None:
    """News of who is at risk comes before everything that is known about them."""
    office = Office()
    await office.spend_budget()

    async with asyncio.TaskGroup() as tasks:
        for priority in reversed(Priority):
            for account in ("acme", "globex"):
                tasks.create_task(office.ask(priority, account=account))

    order = [(priority, account) for _, account, priority in office.went]
    assert order == [(priority, account) for priority in Priority for account in ("acme", "globex")]
    assert [at // 60 for at, _, _ in office.went] == [1] * 5 + [2] * 4 + [3]


@in_fake_time
async def test_an_urgent_request_overtakes_those_who_have_waited_for_long() -> None:
    """It need not be there from the beginning."""
    office = Office()
    await office.spend_budget()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(office.ask(Priority.RELAXED_DETAILS))
        await office.clock.sleep(30.5)
        tasks.create_task(office.ask(Priority.SUMMARY))

    assert office.went[0][2] is Priority.SUMMARY


@in_fake_time
async def test_an_answer_ends_a_pause_at_once() -> None:
    """The window the API speaks of may be over sooner than the one we assumed."""
    office = Office()
    office.record_response("429", retry_after_seconds=10.0)
    probe = asyncio.create_task(office.governor.admit("acme", Priority.SUMMARY))
    await office.clock.sleep(20.0)
    waiting = asyncio.create_task(office.ask())
    await office.clock.sleep(0.25)

    with await probe:
        office.record_response()
        await waiting

    assert office.went == [(20.25, "acme", Priority.SUMMARY)]


@in_fake_time
async def test_a_cancelled_request_frees_the_way_for_the_next() -> None:
    """Whoever stood first took nothing with them."""
    office = Office()
    await office.spend_budget()
    first = asyncio.create_task(office.ask(Priority.SUMMARY))
    second = asyncio.create_task(office.ask(Priority.RELAXED_DETAILS))
    await office.clock.sleep(59.0)

    first.cancel()
    await second

    assert [round(at) for at, _, _ in office.went] == [60]


@in_fake_time
async def test_each_second_of_a_pause_is_told_once_for_each_account() -> None:
    """However many of its requests wait, and from when on they do."""
    office = Office()
    await office.spend_budget()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(office.ask(account="acme"))
        await office.clock.sleep(20.5)
        tasks.create_task(office.ask(account="globex"))
        await office.clock.sleep(0.25)
        tasks.create_task(office.ask(account="acme"))

    assert office.paused == {
        ("acme", PauseReason.BUDGET): 60_000,
        ("globex", PauseReason.BUDGET): 39_500,
    }


@in_fake_time
async def test_a_pause_for_the_budget_is_reported_while_it_lasts() -> None:
    """A graph must show five minutes as five minutes, not as one spike after them."""
    office = Office()
    await office.spend_budget()
    waiting = asyncio.create_task(office.ask())

    await office.clock.sleep(30.5)

    assert office.paused == {("acme", PauseReason.BUDGET): 30_000}
    await waiting


def refused(office: Office) -> dict[str, int]:
    """Report the refusal; return the milliseconds of each account so far."""
    office.governor.report_rate_limited()
    return {
        account: milliseconds
        for (account, reason), milliseconds in office.paused.items()
        if reason is PauseReason.RATE_LIMITED
    }


@pytest.mark.parametrize("requests", [0, 1, 3])
def test_every_second_of_a_refusal_counts_whether_or_not_a_request_waits(requests: int) -> None:
    """The API refuses the token, and with it every account that uses the token."""

    @in_fake_time
    async def story() -> None:
        office = Office()
        office.record_response("429", retry_after_seconds=300.0)
        waiting = [asyncio.create_task(office.ask()) for _ in range(requests)]

        await office.clock.sleep(100.5)
        assert refused(office) == {"acme": 100_500, "globex": 100_500}
        await office.clock.sleep(400.0)
        assert refused(office) == {"acme": 300_000, "globex": 300_000}
        assert refused(office) == {"acme": 300_000, "globex": 300_000}
        await asyncio.gather(*waiting)

    story()


@in_fake_time
async def test_refusals_that_overlap_count_once_and_later_ones_again() -> None:
    """Requests that were on their way together are refused together."""
    office = Office()
    office.record_response("429", retry_after_seconds=60.0)
    await office.clock.sleep(10.0)
    office.record_response("429", retry_after_seconds=60.0)
    await office.clock.sleep(5.0)
    office.record_response("429", retry_after_seconds=1.0)
    await office.clock.sleep(100.0)
    assert refused(office)["acme"] == 70_000

    await office.ask()
    office.record_response("429", retry_after_seconds=20.0)
    await office.clock.sleep(50.0)

    assert refused(office)["acme"] == 90_000


@in_fake_time
async def test_who_may_go_at_once_was_not_paused() -> None:
    """Zero is what an operator wants to see."""
    office = Office()

    await office.ask()

    assert not office.paused


@in_fake_time
async def test_a_refusal_of_no_seconds_is_not_reported() -> None:
    """A counter of an account begins with the first second of a pause."""
    office = Office()

    office.governor.report_rate_limited()

    assert not office.paused


@in_fake_time
async def test_a_request_goes_at_the_instant_the_budget_allows_it() -> None:
    """The reports of every second, which began at another instant, do not delay it."""
    office = Office()
    await office.spend_budget()
    await office.clock.sleep(0.25)

    await office.ask()

    assert office.went == [(60.0, "acme", Priority.SUMMARY)]


@in_fake_time
async def test_a_pause_for_the_budget_is_reported_every_second() -> None:
    """A scrape must not see seconds that passed long before it."""
    office = Office()
    await office.spend_budget()
    waiting = asyncio.create_task(office.ask())

    await office.clock.sleep(1.5)

    assert office.paused == {("acme", PauseReason.BUDGET): 1_000}
    await waiting


@in_fake_time
async def test_a_request_cancelled_while_it_is_sent_counts_as_sent() -> None:
    """The API may have received it."""
    office = Office()
    office.record_response()

    async def send_slowly() -> None:
        with await office.governor.admit("acme", Priority.SUMMARY):
            await office.clock.sleep(1.0)

    for _ in range(4):
        sending = asyncio.create_task(send_slowly())
        await office.clock.sleep(0.5)
        sending.cancel()
        await asyncio.wait([sending])

    assert office.governor.pause("acme") is not None


async def probing(office: Office) -> asyncio.Task[None]:
    """Wait for the end of a refusal that begins now, and send a probe that takes 5.25 seconds."""
    office.record_response("429", retry_after_seconds=10.0)

    async def probe() -> None:
        with await office.governor.admit("acme", Priority.SUMMARY):
            await office.clock.sleep(5.25)

    task = asyncio.create_task(probe())
    await office.clock.sleep(11.0)
    return task


@in_fake_time
async def test_a_probe_that_was_not_sent_lets_the_next_request_go_at_once() -> None:
    """The next request is not delayed until the next report of the pause."""
    office = Office()
    probe = await probing(office)

    await office.ask()

    assert office.went == [(15.25, "acme", Priority.SUMMARY)]
    await probe


@pytest.mark.parametrize(
    ("outcome", "is_paused"), [("200", False), ("500", False), ("timeout", True)]
)
def test_any_answer_to_the_probe_ends_the_refusal_and_no_answer_does_not(
    outcome: str, *, is_paused: bool
) -> None:
    """An error of the server is an answer; a lost connection is none."""

    @in_fake_time
    async def story() -> None:
        office = Office()
        probe = await probing(office)

        office.record_response(outcome)

        assert (office.governor.pause("acme") is not None) is is_paused
        await probe

    story()


@in_fake_time
async def test_a_slow_answer_to_a_request_from_before_a_refusal_does_not_end_it() -> None:
    """The instant at which the request was sent follows from the seconds that it took."""
    office = Office()
    probe = await probing(office)

    office.governor.record_response(Exchange("list_users", "200", seconds=12.0))

    assert office.governor.pause("acme") is not None
    await probe


@in_fake_time
async def test_only_a_429_is_a_refusal() -> None:
    """A server that is down may name an instant, too, and says nothing about the quota."""
    office = Office()

    office.record_response("503", retry_after_seconds=10.0)

    assert office.governor.pause("acme") is None


@in_fake_time
async def test_the_pause_of_an_account_is_that_of_its_most_urgent_waiting_request() -> None:
    """Requests of other accounts do not matter, and an account without any waits for a summary."""
    office = Office()
    left = QuotaHeaders(TEN_A_MINUTE.policies, (QuotaLeft("default", 2, 60.0),))
    office.governor.record_response(Exchange("get_user", "200", 0.0, quota=left))
    waiting = asyncio.create_task(office.ask(Priority.CONFIGURATION, account="acme"))
    await office.clock.sleep(1.0)

    pauses = [office.governor.pause(account) for account in ("acme", "globex")]

    assert [pause and pause.until for pause in pauses] == [60.0, None]
    await waiting
