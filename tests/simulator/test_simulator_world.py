import gzip
import zlib
from dataclasses import dataclass

import msgspec
import pytest

from exporter.simulator import Scenario
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.bodies import Body, Piece
from exporter.simulator.world.generation import draw_uuid, generate_person, seeded
from exporter.simulator.world.timestamps import (
    SECOND_NS,
    TimestampFormat,
    format_timestamp,
    parse_timestamp,
    round_down,
)
from exporter.simulator.world.truth import AccountTruth, GroundTruthReport
from exporter.simulator.world.world import World, build_world
from tests.support.manual_clock import ManualClock
from tests.support.simulator import STILL

START_NS = 1_800_000_000 * SECOND_NS


@dataclass
class _Stage:
    world: World
    driver: Driver
    clock: ManualClock

    def advance(self, *, seconds: float, step: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.advance(step)
            self.driver.catch_up()


def _build(scenario: Scenario) -> _Stage:
    clock = ManualClock(START_NS / SECOND_NS)
    world = build_world(scenario, now_ns=START_NS, monotonic=clock.monotonic())
    return _Stage(world, Driver(world, scenario, clock), clock)


def _truth_of(world: World) -> AccountTruth:
    account = next(iter(world.accounts.values()))
    return GroundTruthReport(account, reader=0).build("full", with_users=True)


def _one_account(**keys: object) -> Scenario:
    return Scenario.model_validate({"accounts": [{"users": 50, **keys}]})


def test_the_same_seed_gives_the_same_activity() -> None:
    """A failure can be reproduced."""
    stories = []
    for _ in range(2):
        stage = _build(Scenario(seed=5))
        stage.advance(seconds=1800, step=1.0)
        stories.append(msgspec.json.encode(_truth_of(stage.world)))

    assert stories[0] == stories[1]


def test_another_seed_gives_other_activity() -> None:
    """Another seed can show other failures."""
    stories = []
    for seed in (1, 2):
        stage = _build(Scenario(seed=seed))
        stage.advance(seconds=600, step=1.0)
        stories.append(msgspec.json.encode(_truth_of(stage.world)))

    assert stories[0] != stories[1]


def test_the_frequency_of_updates_changes_nothing_but_rounding() -> None:
    """The outcome must not depend on how busy the machine is."""
    fates = []
    for step in (0.5, 7.5):
        stage = _build(Scenario(seed=3))
        stage.advance(seconds=900, step=step)
        users = _truth_of(stage.world).users
        assert users is not None
        fates.append([(user.user_id, user.resets, len(user.events)) for user in users])

    assert fates[0] == fates[1]


def test_a_higher_speed_gives_more_events_at_real_instants() -> None:
    """A dashboard compares timestamps with a real clock, at any speed."""
    stage = _build(_one_account(activity={"late_share": 0}).with_overrides(speed=60))
    stage.advance(seconds=60, step=1.0)

    users = _truth_of(stage.world).users
    assert users is not None
    fresh = [event for user in users for event in user.events if not event.initial]
    assert len(fresh) > 600
    assert all(0 <= event.appeared - START_NS / SECOND_NS <= 60 for event in fresh)
    assert all(0 <= event.appeared - event.timestamp <= 1 for event in fresh)


def test_late_events_happened_before_they_appeared() -> None:
    """An event can be older than others that appeared before it."""
    activity = {"late_share": 1, "late_by": "1h", "bursts_per_hour": 0}
    stage = _build(_one_account(activity=activity))
    stage.advance(seconds=600, step=1.0)

    users = _truth_of(stage.world).users
    assert users is not None
    delays = [
        event.appeared - event.timestamp
        for user in users
        for event in user.events
        if not event.initial
    ]
    assert delays
    assert max(delays) > 1800


def test_a_pause_stops_the_activity() -> None:
    """A test can then compare stable numbers."""
    stage = _build(Scenario())
    stage.driver.pause()
    before = msgspec.json.encode(_truth_of(stage.world))

    stage.advance(seconds=3600, step=60.0)

    assert msgspec.json.encode(_truth_of(stage.world)) == before


def test_the_mix_of_levels_is_as_configured() -> None:
    """A scenario for dashboards chooses the share of each level."""
    levels = {"low": 0.5, "medium": 0.3, "high": 0.2}
    stage = _build(Scenario.model_validate({"accounts": [{"users": 5000, "levels": levels}]}))

    found = _truth_of(stage.world).users_by_level

    assert found == pytest.approx({"low": 2500, "medium": 1500, "high": 1000}, rel=0.1)


def test_old_events_are_erased_if_the_scenario_says_so() -> None:
    """Whether Cloudflare erases old events is not documented."""
    stage = _build(_one_account(activity={**STILL, "forget_after": "1m"}))
    stage.advance(seconds=600, step=10.0)

    assert set(_truth_of(stage.world).users_by_level.values()) == {0}


def test_an_account_without_users_has_no_activity() -> None:
    """The activity must continue when every user is deleted."""
    named = [{"email": "ada@example.com", "vanished": True}]
    stage = _build(_one_account(users=0, named_users=named))

    stage.advance(seconds=3600, step=60.0)

    assert _truth_of(stage.world).totals == []


def test_a_behavior_can_appear_and_be_renamed() -> None:
    """Behaviors are data: new ones appear, and names change under the same key."""
    changes = [
        {"key": "ai_leak", "name": "AI Leak", "level": "critical", "appears_after": "1m"},
        {"key": "high_dlp", "renamed_to": "DLP Storm", "renamed_after": "2m"},
    ]
    stage = _build(_one_account(behaviors=changes))
    behaviors = next(iter(stage.world.accounts.values())).behaviors
    assert "ai_leak" not in behaviors

    stage.advance(seconds=180, step=1.0)

    assert behaviors["ai_leak"].level == "critical"
    assert behaviors["high_dlp"].name == "DLP Storm"


def test_accounts_do_not_influence_each_other() -> None:
    """Another account in a scenario leaves the others unchanged."""
    alone = _build(Scenario.model_validate({"accounts": [{"name": "a"}]}))
    together = _build(Scenario.model_validate({"accounts": [{"name": "b"}, {"name": "a"}]}))

    ours = together.world.find_account("a")
    assert ours is not None
    assert list(ours.users) == list(next(iter(alone.world.accounts.values())).users)


def test_every_address_is_unique() -> None:
    """Names repeat; addresses are unique."""
    rng = seeded(1, "people")

    people = [generate_person(rng, number=number) for number in range(5000)]

    assert len({person.email for person in people}) == len(people)
    assert {person.email.rpartition(".")[2] for person in people} <= {
        "com",
        "org",
        "net",
        "example",
    }
    assert any('"' in person.name for person in people)
    assert any(not person.name for person in people)
    assert any(not person.name.isascii() for person in people)


def test_ids_are_uuids_of_version_4() -> None:
    """The documentation specifies this version."""
    rng = seeded(1, "ids")

    for _ in range(100):
        one = draw_uuid(rng)
        assert (len(one), one[14], one[19] in "89ab") == (36, "4", True)


@pytest.mark.parametrize("timestamp_format", list(TimestampFormat))
def test_a_formatted_timestamp_parses_back_to_itself(timestamp_format: TimestampFormat) -> None:
    """The ground truth compares nanoseconds, so formatting must be exact."""
    at_ns = round_down(1_800_000_000_123_456_789, timestamp_format)

    assert parse_timestamp(format_timestamp(at_ns, timestamp_format)) == at_ns


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00"])
def test_an_invalid_timestamp_is_refused(text: str) -> None:
    """Without a UTC offset a timestamp is ambiguous."""
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_timestamp(text)


@pytest.mark.parametrize("parts", [[], [b""], [b"one"], [b"one" * 50_000, b"", b"\x00\xff" * 999]])
def test_pieces_make_one_gzip_member(parts: list[bytes]) -> None:
    """Some clients stop after the first member of several."""
    packed = Body(map(Piece, parts)).gzipped()

    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert unpacker.decompress(packed) + unpacker.flush() == b"".join(parts)
    assert unpacker.eof
    assert unpacker.unused_data == b""
    assert gzip.decompress(packed) == b"".join(parts)
