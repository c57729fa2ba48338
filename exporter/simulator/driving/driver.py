"""Lets a world's time pass."""

from exporter.clock import Clock
from exporter.simulator.driving.agenda import Agenda
from exporter.simulator.driving.life import Life, Surroundings
from exporter.simulator.scenario.root import Scenario
from exporter.simulator.world.identity import seeded
from exporter.simulator.world.rfc3339 import SECOND_NS
from exporter.simulator.world.world import World

_TICK_SECONDS = 0.1


class Driver:
    """Lets everything happen that the scenario says happens by itself.

    Speed makes it happen more often; what happens still happens now, because who scrapes
    compares timestamps with a real clock. A pause stops simulated time.
    """

    def __init__(self, world: World, scenario: Scenario, *, now_ns: int) -> None:
        self.is_paused = False
        self._agenda = Agenda()
        self._speed = scenario.speed
        self._now = 0.0
        self._now_ns = now_ns
        for spec, account in zip(scenario.accounts, world.accounts.values(), strict=True):
            around = Surroundings(
                agenda=self._agenda,
                mint=world.mints[account.traits.account_id],
                rng=seeded(scenario.seed, spec.name, "life"),
                real_ns=self._real_ns,
            )
            Life(account, spec, around).begin()

    def advance(self, elapsed_seconds: float, *, now_ns: int) -> None:
        """Let `elapsed_seconds` real seconds pass, which end at the real instant `now_ns`."""
        if self.is_paused:
            return
        self._now += elapsed_seconds * self._speed
        self._now_ns = now_ns
        self._agenda.run_until(self._now)

    async def run(self, clock: Clock) -> None:
        """Let time pass for ever."""
        before = clock.monotonic()
        while True:
            await clock.sleep(_TICK_SECONDS)
            now = clock.monotonic()
            self.advance(now - before, now_ns=round(clock.time() * SECOND_NS))
            before = now

    def _real_ns(self, at: float) -> int:
        """Return the real instant of simulated second `at`, which is not later than now."""
        return self._now_ns - round((self._now - at) / self._speed * SECOND_NS)
