"""The demo's world: lively enough to watch, and believable for as long as it runs."""

from collections import Counter

from exporter.simulator import Scenario
from exporter.simulator.world.account import Account
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.world import build_world
from tests.support.manual_clock import ManualClock


class World:
    """The usual scenario's only account, and the time that passes in it."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        world = build_world(
            Scenario(),
            now_ns=round(self._clock.time() * SECOND_NS),
            monotonic=self._clock.monotonic(),
        )
        self._driver = Driver(world, Scenario(), self._clock)
        self.account: Account = next(iter(world.accounts.values()))

    def live(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.advance(seconds)
        self._driver.catch_up()

    def events(self) -> Counter[str]:
        """Events since the start, by level, those erased since included."""
        return Counter(
            event.level
            for user in self.account.user_list
            for event in (*user.events, *user.erased)
            if not event.is_initial
        )

    def listed(self) -> Counter[str | None]:
        """Who is listed, by level."""
        return Counter(user.level for user in self.account.user_list if user.is_listed)

    def resets(self) -> int:
        """How many scores were cleared."""
        return sum(len(user.resets) for user in self.account.user_list)


def test_something_happens_within_five_seconds() -> None:
    """Whoever starts a demo watches it for about as long."""
    world = World()
    world.live(5)
    assert world.events().total() > 0


def test_every_kind_of_thing_happens_within_a_minute() -> None:
    """No panel of a dashboard tried against the demo may stay empty."""
    world = World()
    world.live(60)
    assert set(world.events()) == {"low", "medium", "high"}
    assert world.resets() > 0


def test_a_demo_left_alone_for_a_day_still_looks_like_a_company() -> None:
    """Few people are bad, more are middling, most are not listed; whenever one looks."""
    world = World()
    for _ in range(24):
        world.live(3600)
        listed = world.listed()
        assert 0 < listed["high"] < listed["medium"]
        assert listed["high"] < listed["low"]
        assert listed.total() < len(world.account.user_list) * 0.8
