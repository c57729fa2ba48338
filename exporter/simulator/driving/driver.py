"""Lets a world's time pass."""

from exporter.clock import Clock
from exporter.simulator.driving.agenda import Agenda
from exporter.simulator.driving.life import Life, Surroundings
from exporter.simulator.scenario.root import Scenario
from exporter.simulator.world.identity import seeded
from exporter.simulator.world.rfc3339 import SECOND_NS
from exporter.simulator.world.world import World


class Driver:
    """Lets everything happen that the scenario says happens by itself.

    Nothing happens while nobody looks: whoever is about to look lets the world catch up first,
    and everything has then happened when it was due. Speed makes it happen more often; it still
    happens now, because who scrapes compares timestamps with a real clock. A pause stops
    simulated time.
    """

    def __init__(self, world: World, scenario: Scenario, clock: Clock) -> None:
        self._is_paused = False
        self._clock = clock
        self._agenda = Agenda()
        self._speed = scenario.speed
        self._now = 0.0
        self._now_ns = round(clock.time() * SECOND_NS)
        self._looked_at = clock.monotonic()
        for spec, account in zip(scenario.accounts, world.accounts.values(), strict=True):
            around = Surroundings(
                agenda=self._agenda,
                mint=world.mints[account.traits.account_id],
                rng=seeded(scenario.seed, spec.name, "life"),
                real_ns=self._real_ns,
            )
            Life(account, spec, around).begin()

    @property
    def is_paused(self) -> bool:
        """Whether simulated time stands still."""
        return self._is_paused

    def pause(self) -> None:
        """Let simulated time stand still from now on."""
        self.catch_up()
        self._is_paused = True

    def resume(self) -> None:
        """Let simulated time go on from now on."""
        self.catch_up()
        self._is_paused = False

    def catch_up(self) -> None:
        """Let everything happen that was due since the last call."""
        looked_at, self._looked_at = self._looked_at, self._clock.monotonic()
        if not self._is_paused:
            self._now += (self._looked_at - looked_at) * self._speed
            self._now_ns = round(self._clock.time() * SECOND_NS)
            self._agenda.run_until(self._now)

    def _real_ns(self, at: float) -> int:
        """Return the real instant of simulated second `at`, which is not later than now."""
        return self._now_ns - round((self._now - at) / self._speed * SECOND_NS)
