import pytest

from exporter.simulator.world.tokens import Quota, QuotaPolicy
from tests.support.manual_clock import ManualClock
from tests.support.simulator import still_scenario, talk_to_simulator

DEFAULT = QuotaPolicy("default", requests=3, window_seconds=300.0)


def _spend_whole(quota: Quota, *, now: float) -> None:
    for _ in range(DEFAULT.requests):
        assert quota.spend(now).retry_after_seconds is None


def test_a_window_has_exactly_its_requests() -> None:
    """The last request is accepted, with none remaining."""
    quota = Quota((DEFAULT,))

    remaining = [quota.spend(1000.0).statuses[0].remaining for _ in range(3)]

    assert remaining == [2, 1, 0]


def test_a_window_begins_with_its_first_request_and_ends_whole() -> None:
    """Windows are fixed: no quota is returned before the end."""
    quota = Quota((DEFAULT,))
    _spend_whole(quota, now=1000.0)

    status = quota.spend(1300.0).statuses[0]

    assert (status.remaining, status.reset_seconds) == (2, 300.0)


def test_one_request_too_many_locks_out_for_a_whole_window() -> None:
    """The documentation: all calls are blocked for the next five minutes."""
    quota = Quota((DEFAULT,))
    _spend_whole(quota, now=1000.0)

    assert quota.spend(1299.0).retry_after_seconds == 300
    assert quota.spend(1301.5).retry_after_seconds == 298
    assert quota.spend(1598.9).retry_after_seconds == 1
    assert quota.spend(1599.0).retry_after_seconds is None


def test_asking_while_locked_out_does_not_prolong_it() -> None:
    """Otherwise a client that keeps retrying would be locked out permanently."""
    quota = Quota((DEFAULT,))
    quota.spend(1000.0, requests=4)

    for now in range(1001, 1300):
        assert quota.spend(float(now)).retry_after_seconds == 1300 - now

    assert quota.spend(1300.0).retry_after_seconds is None


def test_the_longest_lockout_of_several_policies_holds() -> None:
    """A burst policy rejects for its own, shorter time."""
    quota = Quota((DEFAULT, QuotaPolicy("burst", requests=1, window_seconds=1.0)))
    quota.spend(1000.0)

    verdict = quota.spend(1000.5)

    assert verdict.retry_after_seconds == 1
    assert [status.policy.name for status in verdict.statuses] == ["default", "burst"]


async def test_headers_report_the_remaining_quota() -> None:
    """Every response has them; only a rejection has Retry-After."""
    scenario = still_scenario(quota={"requests": 2, "window": "1h"})
    async with talk_to_simulator(scenario, clock=ManualClock()) as talk:
        answers = []
        for _ in range(3):
            async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
                await answer.read()
                answers.append(answer)

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[0].headers["Ratelimit"] == '"default";r=1;t=3600'
    assert answers[0].headers["Ratelimit-Policy"] == '"default";q=2;w=3600'
    assert "Retry-After" not in answers[1].headers
    assert answers[2].headers["Retry-After"] == "3600"
    assert answers[2].headers["Ratelimit"] == '"default";r=0;t=3600'


async def test_the_lockout_ends_when_it_said() -> None:
    """Over HTTP too, on the clock of the simulator."""
    clock = ManualClock()
    async with talk_to_simulator(still_scenario(quota={"requests": 1}), clock=clock) as talk:
        statuses = [(await talk.get("/summary"))[0] for _ in range(2)]
        clock.advance(299.5)
        statuses.append((await talk.get("/summary"))[0])
        clock.advance(0.5)
        statuses.append((await talk.get("/summary"))[0])

    assert statuses == [200, 429, 429, 200]


async def test_several_policies_share_one_header() -> None:
    """The draft allows several items, and a client must find its own."""
    scenario = still_scenario(quota={"burst": {"requests": 50, "window": "1s"}})
    async with (
        talk_to_simulator(scenario, clock=ManualClock()) as talk,
        talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer,
    ):
        policy = answer.headers["Ratelimit-Policy"]

    assert policy == '"default";q=1200;w=300, "burst";q=50;w=1'


async def test_an_older_edge_sends_only_retry_after() -> None:
    """A client must work without the headers."""
    scenario = still_scenario(quota={"requests": 1, "headers": False})
    async with talk_to_simulator(scenario, clock=ManualClock()) as talk:
        await talk.get("/summary")
        async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
            headers = answer.headers

    assert "Ratelimit" not in headers
    assert "Ratelimit-Policy" not in headers
    assert headers["Retry-After"] == "300"


async def test_requests_of_others_use_the_quota() -> None:
    """The quota is shared with the dashboard and every other tool of the user."""
    async with talk_to_simulator(clock=ManualClock()) as talk:
        await talk.order("spend", requests=1000)
        async with talk.session.get(talk.account_url + "/summary", headers=talk.auth) as answer:
            status = answer.headers["Ratelimit"]

    assert status == '"default";r=199;t=300'


async def test_each_token_has_its_own_quota() -> None:
    """A lockout applies to one token only."""
    scenario = still_scenario(tokens=[{"name": "mine"}, {"name": "theirs"}])
    async with talk_to_simulator(scenario, clock=ManualClock()) as talk:
        await talk.order("spend", requests=2000, token="theirs")

        assert (await talk.get("/summary"))[0] == 200
        assert (await talk.ask("GET", "/summary", token=talk.simulator.tokens["theirs"]))[0] == 429


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/not-a-uuid"])
async def test_refused_calls_cost_too(path: str) -> None:
    """Invalid requests use quota like valid ones."""
    async with talk_to_simulator(still_scenario(quota={"requests": 1})) as talk:
        assert (await talk.get(path))[0] in {400, 404}

        assert (await talk.get(path))[0] == 429
