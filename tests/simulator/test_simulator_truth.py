"""The ground truth, compared with a reader that sees nothing but the responses."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import Scenario
from exporter.simulator.api.messages import Call, Reply
from exporter.simulator.api.service import Service
from exporter.simulator.world.timestamps import SECOND_NS, parse_timestamp
from exporter.simulator.world.truth import AccountTruth, GroundTruthReport
from exporter.simulator.world.world import build_world
from tests.support.simulator import ADA, BOB, STILL, Talk

START_NS = 1_800_000_000 * SECOND_NS
SCENARIO = Scenario.model_validate(
    {
        "quota": {"requests": 1_000_000},
        "accounts": [
            {"users": 4, "levels": {"low": 0.3, "medium": 0.2, "high": 0.2}, "activity": STILL}
        ],
    }
)


class _Row(msgspec.Struct):
    user_id: str
    event_count: int
    last_event: str
    max_risk_level: str


class _Summary(msgspec.Struct):
    users: list[_Row]


class _SummaryAnswer(msgspec.Struct):
    result: _Summary


class _Happening(msgspec.Struct):
    id: str
    name: str
    risk_level: str
    timestamp: str


class _Details(msgspec.Struct):
    events: list[_Happening]
    last_reset_time: str | None


class _DetailsAnswer(msgspec.Struct):
    result: _Details | None


@dataclass
class _Reader:
    """Counts from responses alone, as the exporter is documented to count."""

    baseline: dict[str, int] | None = None
    baseline_ns: int = 0
    levels: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    counted: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    resets: set[tuple[str, str]] = field(default_factory=set)

    def read_summary(self, body: bytes, *, now_ns: int) -> None:
        rows = msgspec.json.decode(body, type=_SummaryAnswer).result.users
        levels = {row.user_id: row.max_risk_level for row in rows}
        if self.baseline is None:
            self.baseline = {row.user_id: parse_timestamp(row.last_event) for row in rows}
            self.baseline_ns = now_ns
        else:
            for user_id in self.levels.keys() | levels.keys():
                move = self.levels.get(user_id, "none"), levels.get(user_id, "none")
                self.changes[move] += move[0] != move[1]
        self.levels = levels

    def read_details(self, user_id: str, body: bytes) -> None:
        details = msgspec.json.decode(body, type=_DetailsAnswer).result
        if details is None or self.baseline is None:
            return
        for event in details.events:
            is_new = parse_timestamp(event.timestamp) > self.baseline.get(user_id, -1)
            if is_new and event.id not in self.seen:
                self.seen.add(event.id)
                self.counted[event.name] += 1
        reset = details.last_reset_time
        if reset is not None and parse_timestamp(reset) > self.baseline_ns:
            self.resets.add((user_id, reset))


class _Play:
    """One account, one reader of it, and a clock that only this test advances."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.world = build_world(SCENARIO, now_ns=START_NS, monotonic=0.0)
        self.service = Service(self.world)
        self.account = next(iter(self.world.accounts.values()))
        self.event_factory = next(iter(self.world.event_factories.values()))
        self.token = next(iter(self.world.tokens))
        self.reader = _Reader()

    def act(self, what: str, number: int) -> None:
        self.now_ns += 7 * SECOND_NS
        user = self.account.user_list[number % len(self.account.user_list)]
        behaviors = list(self.account.behaviors.values())
        if what in {"trigger", "late"}:
            age_ns = 3600 * SECOND_NS if what == "late" else 0
            event = self.event_factory.new_event(
                behaviors[number % len(behaviors)],
                at_ns=self.now_ns - age_ns,
                appeared_ns=self.now_ns,
            )
            self.account.trigger(user, event)
        elif what == "reset":
            self.account.reset(user, at_ns=self.now_ns)
        elif what == "vanish":
            self.account.vanish(user)
        elif what == "return":
            self.account.bring_back(user)
        elif what in {"summary", "lost summary"}:
            self._summarize(is_lost=what == "lost summary")
        else:
            self._detail(user.id, is_lost=what == "lost details")

    def truth(self) -> AccountTruth:
        return GroundTruthReport(self.account, reader=0).build("full", with_users=True)

    def _summarize(self, *, is_lost: bool) -> None:
        reply = self._ask("/summary")
        if not is_lost:
            self.reader.read_summary(reply.body.plain(), now_ns=self.now_ns)
            reply.delivered()

    def _detail(self, user_id: str, *, is_lost: bool) -> None:
        if self.reader.baseline is None:
            return
        reply = self._ask(f"/{user_id}")
        if not is_lost:
            self.reader.read_details(user_id, reply.body.plain())
            reply.delivered()

    def _ask(self, path: str) -> Reply:
        path = f"/accounts/{self.account.traits.account_id}/zt_risk_scoring{path}"
        call = Call("GET", path, {}, f"Bearer {self.token}", b"")
        decision = self.service.authorize(call, now_ns=self.now_ns, monotonic=0.0)
        assert decision.authorized is not None
        return self.service.perform(decision.authorized, now_ns=self.now_ns)


ACTIONS = (
    *("trigger", "trigger", "late", "reset", "vanish", "return"),
    *("summary", "lost summary", "details", "details", "lost details"),
)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=120))
@settings(max_examples=150, deadline=None)
def test_the_truth_is_what_a_careful_reader_counts(story: list[tuple[str, int]]) -> None:
    """Both agree on every counter, whatever happens and whichever responses are lost."""
    play = _Play()
    for what, number in story:
        play.act(what, number)
    play.act("summary", 0)

    truth, reader = play.truth(), play.reader

    counted: Counter[str] = Counter()
    for one in truth.totals:
        counted[one.name] += one.counted
    assert +counted == reader.counted
    changes = {(one.before, one.after): one.count for one in truth.level_changes}
    assert changes == dict(+reader.changes)
    assert truth.resets_counted == len(reader.resets)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=120))
@settings(max_examples=100, deadline=None)
def test_the_cached_summary_equals_a_complete_rendering(
    story: list[tuple[str, int]],
) -> None:
    """A row of a changed user must not come from the cache."""
    play = _Play()
    for what, number in story:
        play.act(what, number)
    play.act("summary", 0)

    users = play.truth().users
    assert users is not None
    assert play.reader.levels == {user.user_id: user.risk_level for user in users if user.listed}
    standing = sum(one.standing for one in play.truth().totals)
    assert standing == sum(len(user.events) for user in play.account.user_list)


async def test_totals_distinguish_initial_shown_lost_and_counted_events(talk: Talk) -> None:
    """A test that compares counters must see why an event is missing."""
    await talk.get("/summary")
    await talk.order("events", user=ADA, behavior="high_dlp")
    await talk.get(f"/{ADA}")
    await talk.order("events", user=ADA, behavior="high_dlp")
    await talk.order("reset", user=ADA)

    (totals,) = (one for one in (await talk.truth()).totals if one.behavior == "high_dlp")

    assert (totals.initial, totals.triggered, totals.standing) == (1, 2, 0)
    assert (totals.shown, totals.lost, totals.counted) == (2, 1, 1)


async def test_an_event_not_after_the_baseline_is_never_counted(talk: Talk) -> None:
    """An event at or before a listed user's last event counts for nothing, however late it appears."""
    await talk.order("events", user=BOB, behavior="high_dlp", timestamp=1000.001)
    await talk.get("/summary")
    for timestamp in (1000.001, 999, 1000.002):
        await talk.order("events", user=BOB, behavior="high_dlp", timestamp=timestamp)

    await talk.get(f"/{BOB}")

    assert (await talk.truth()).counted()["high_dlp", "low"] == 1


async def test_each_reader_has_its_own_truth(talk: Talk) -> None:
    """What one token has seen, another has not."""
    await talk.get("/summary")

    assert (await talk.truth(reader="full")).baseline is not None
