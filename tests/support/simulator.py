"""A simulator for one test, on a free port, and the ways a test talks to it.

Nothing happens in it by itself unless asked for, so that a test can say every number.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
import msgspec

from exporter.clock import Clock
from exporter.simulator import Scenario, Simulator, run_simulator

STILL: Mapping[str, float] = {
    "events_per_minute": 0,
    "bursts_per_hour": 0,
    "resets_per_hour": 0,
    "vanishings_per_hour": 0,
}
"""The activity of an account in which nothing happens by itself."""

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
BOB = "aaaaaaaa-0000-4000-8000-000000000002"


def still_scenario(**keys: object) -> Scenario:
    """Return a scenario of one account where Ada is high, Bob is not listed, and nothing happens.

    `keys` are those of a whole scenario, and go first.
    """
    return Scenario.model_validate({"accounts": [still_account()], **keys})


def still_account(**keys: object) -> dict[str, object]:
    """Return the one account of `still_scenario`, with other keys where given."""
    return {
        "name": "acme",
        "users": 0,
        "activity": dict(STILL),
        "named_users": [
            {
                "user_id": ADA,
                "email": "ada@example.com",
                "name": 'Ada "Countess" Lovelace',
                "events": [
                    {"behavior": "imp_travel", "ago": "1h"},
                    {"behavior": "high_dlp", "ago": "2h"},
                ],
            },
            {"user_id": BOB, "email": "bob@example.com", "name": "Bob"},
        ],
        **keys,
    }


@dataclass(frozen=True, slots=True)
class Talk:
    """A raw client of one simulator, and its controls."""

    simulator: Simulator
    session: aiohttp.ClientSession

    @property
    def account_url(self) -> str:
        """Where the operations on the first account are."""
        account_id = next(iter(self.simulator.account_ids.values()))
        return f"{self.simulator.api_url}/accounts/{account_id}/zt_risk_scoring"

    @property
    def auth(self) -> dict[str, str]:
        """The headers of the first token."""
        return {"Authorization": f"Bearer {next(iter(self.simulator.tokens.values()))}"}

    async def get(self, path: str) -> tuple[int, object]:
        """GET an operation of the first account with the first token: status and JSON."""
        return await self.ask("GET", path)

    async def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, object]:
        """Ask for an operation of the first account: status and JSON."""
        headers = self.auth if token is None else {"Authorization": f"Bearer {token}"}
        data = None if body is None else msgspec.json.encode(body)
        async with self.session.request(
            method, self.account_url + path, headers=headers, data=data
        ) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def order(self, what: str, **body: object) -> dict[str, object]:
        """POST an order to the controls; AssertionError with the reasons where it is refused."""
        url = f"{self.simulator.admin_url}/{what}"
        async with self.session.post(url, json=body) as answer:
            content = await answer.read()
            assert answer.status == 200, content.decode()
            return msgspec.json.decode(content, type=dict[str, object])

    async def faults(self) -> list[dict[str, object]]:
        """GET the faults that are not over."""
        async with self.session.get(f"{self.simulator.admin_url}/faults") as answer:
            content = await answer.read()
        return msgspec.json.decode(content, type=dict[str, list[dict[str, object]]])["faults"]

    async def truth(self, **query: str) -> "Truth":
        """GET the ground truth of the first account."""
        url = f"{self.simulator.admin_url}/truth"
        async with self.session.get(url, params=query) as answer:
            content = msgspec.json.decode(await answer.read(), type=_Truths)
        return next(iter(content.accounts.values()))

    async def log(self) -> "Log":
        """GET the log of requests."""
        async with self.session.get(f"{self.simulator.admin_url}/log") as answer:
            return msgspec.json.decode(await answer.read(), type=Log)


class TrueEvent(msgspec.Struct):
    """An event, as the truth tells it."""

    id: str
    behavior: str
    risk_level: str
    timestamp: float
    first_shown: float | None
    erased: float | None
    shown: bool
    counted: bool


class TrueUser(msgspec.Struct):
    """A user, as the truth tells them."""

    user_id: str
    email: str
    risk_level: str
    listed: bool
    event_count: int
    resets: int
    resets_counted: int
    last_event: float | None
    events: list[TrueEvent]


class TrueTotals(msgspec.Struct):
    """The events of one behavior and level, as the truth tells them."""

    behavior: str
    name: str
    risk_level: str
    standing: int
    initial: int
    triggered: int
    shown: int
    lost: int
    counted: int


class TrueChanges(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """Moves between two levels, as the truth tells them."""

    before: str
    after: str
    count: int


class Truth(msgspec.Struct):
    """One account, as the truth tells it."""

    account_id: str
    baseline: float | None
    users_by_level: dict[str, int]
    totals: list[TrueTotals]
    level_changes: list[TrueChanges]
    resets: int
    resets_counted: int
    users: list[TrueUser] | None = None

    def user(self, user_id: str) -> TrueUser:
        """Return one user's truth."""
        assert self.users is not None
        return next(user for user in self.users if user.user_id == user_id)

    def counted(self) -> dict[tuple[str, str], int]:
        """Return what an exporter must have counted, by behavior and level."""
        return {(one.behavior, one.risk_level): one.counted for one in self.totals}


class _Truths(msgspec.Struct):
    accounts: dict[str, Truth]


class LoggedRequest(msgspec.Struct):
    """A request, as the log tells it."""

    token: str | None
    operation: str | None
    account: str | None
    status: int | None
    fault: str | None
    delivered: bool


class LoggedCount(msgspec.Struct):
    """How many requests of one kind, as the log tells it."""

    token: str | None
    operation: str | None
    status: int | None
    count: int


class Log(msgspec.Struct):
    """All that was asked."""

    requests: list[LoggedRequest]
    counts: list[LoggedCount]

    def count(self, *, operation: str | None = None, status: int | None = None) -> int:
        """Return how many requests of an operation and status there were; None is any."""
        return sum(
            one.count
            for one in self.counts
            if operation in {None, one.operation} and status in {None, one.status}
        )


@contextlib.asynccontextmanager
async def talk_to_simulator(
    scenario: Scenario | None = None, *, clock: Clock | None = None
) -> AsyncIterator[Talk]:
    """Run a simulator on a free port of loopback, and a client of it."""
    scenario = scenario or still_scenario()
    async with (
        run_simulator(scenario, clock=clock) as simulator,
        aiohttp.ClientSession() as session,
    ):
        yield Talk(simulator, session)
