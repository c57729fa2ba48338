"""The activity generator: users trigger events, administrators reset them, users come and go."""

import functools
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from exporter.clock import Clock
from exporter.simulator.scenario.accounts import AccountSpec, BehaviorSpec
from exporter.simulator.scenario.scenario import Scenario
from exporter.simulator.world.account import Account
from exporter.simulator.world.configuration import Behavior, rank
from exporter.simulator.world.generation import Mint, seeded
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.users import User
from exporter.simulator.world.world import World, behavior_of

Deed: TypeAlias = Callable[[float], None]
"""Something that happens; it is told the simulated second at which it was due."""


class Agenda:
    """Deeds in the order they are due, so that no outcome depends on how often one looks."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Deed]] = []
        self._numbers = itertools.count()

    def plan(self, deed: Deed, *, at: float) -> None:
        """Let `deed` happen at simulated second `at`."""
        heapq.heappush(self._entries, (at, next(self._numbers), deed))

    def plan_often(self, deed: Deed, *, per_second: float, rng: random.Random) -> None:
        """Let `deed` happen again and again, by chance `per_second` times a second on average."""
        if per_second <= 0:
            return

        def happen(at: float) -> None:
            self.plan(happen, at=at + rng.expovariate(per_second))
            deed(at)

        self.plan(happen, at=rng.expovariate(per_second))

    def run_until(self, now: float) -> None:
        """Let everything happen that is due up to simulated second `now`."""
        while self._entries and self._entries[0][0] <= now:
            at, _, deed = heapq.heappop(self._entries)
            deed(at)


_MINUTE = 60.0
_HOUR = 3600.0
_SKEW = 6
"""The higher, the fewer people do most of what happens."""
_GLANCES = 6
"""How many people, of all alike, an administrator looks at before resetting the worst of them."""
_WEIGHTS = {"low": 8.0, "medium": 3.0, "high": 1.0}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a life needs besides its account; `real_ns` turns simulated seconds into real ns."""

    agenda: Agenda
    mint: Mint
    rng: random.Random
    real_ns: Callable[[float], int]


class Life:
    """One account's life, all of which stands in the agenda."""

    def __init__(self, account: Account, spec: AccountSpec, around: Surroundings) -> None:
        self._account = account
        self._spec = spec
        self._around = around
        self._rng = around.rng
        self._weights = {one.key: one.weight for one in spec.behaviors if one.weight is not None}

    def begin(self) -> None:
        """Put on the agenda whatever happens by itself."""
        activity = self._spec.activity
        for deed, per_second in (
            (self._act, activity.events_per_minute / _MINUTE),
            (self._burst, activity.bursts_per_hour / _HOUR),
            (self._administer, activity.resets_per_hour / _HOUR),
            (self._lose_user, activity.vanishings_per_hour / _HOUR),
        ):
            self._around.agenda.plan_often(deed, per_second=per_second, rng=self._rng)
        if activity.forget_after is not None:
            self._around.agenda.plan_often(
                self._forget_events, per_second=1 / _MINUTE, rng=self._rng
            )
        for change in self._spec.behaviors:
            self._plan_change(change)

    def _act(self, at: float) -> None:
        user, behavior = self._draw_user(), self._draw_behavior()
        if user is not None and behavior is not None:
            self._trigger(user, behavior, at=at)

    def _burst(self, at: float) -> None:
        user, behavior = self._draw_user(), self._draw_behavior()
        if user is None or behavior is None:
            return
        for _ in range(self._spec.activity.burst_events):
            due = at + self._rng.random() * self._spec.activity.burst_seconds
            self._around.agenda.plan(functools.partial(self._trigger_at, user, behavior), at=due)

    def _trigger_at(self, user: User, behavior: Behavior, at: float) -> None:
        if not user.is_vanished:
            self._trigger(user, behavior, at=at)

    def _trigger(self, user: User, behavior: Behavior, *, at: float) -> None:
        appeared_ns = self._around.real_ns(at)
        late_ns = 0
        if self._rng.random() < self._spec.activity.late_share:
            late_ns = round(self._rng.random() * self._spec.activity.late_by * SECOND_NS)
        event = self._around.mint.new_event(
            behavior, at_ns=appeared_ns - late_ns, appeared_ns=appeared_ns
        )
        self._account.trigger(user, event)

    def _administer(self, at: float) -> None:
        """Reset the worst of some people looked at; nothing where none of them is listed."""
        roll = self._account.roll
        seen = self._rng.choices(roll, k=_GLANCES) if roll else ()
        listed = (user for user in seen if user.is_listed)
        worst = max(listed, key=lambda user: rank(user.level or ""), default=None)
        if worst is not None:
            self._account.reset(worst, at_ns=self._around.real_ns(at))

    def _lose_user(self, at: float) -> None:
        user = self._draw_user()
        if user is None:
            return
        self._account.vanish(user)
        absence = self._spec.activity.absence
        back = at + (self._rng.expovariate(1 / absence) if absence else 0.0)
        self._around.agenda.plan(lambda _: self._account.bring_back(user), at=back)

    def _forget_events(self, at: float) -> None:
        now_ns = self._around.real_ns(at)
        age_ns = round((self._spec.activity.forget_after or 0.0) * SECOND_NS)
        for user in self._account.roll:
            self._account.forget_events(user, before_ns=now_ns - age_ns, at_ns=now_ns)

    def _draw_user(self) -> User | None:
        """Draw somebody who is there, most often of the first few; None where nobody is."""
        roll = self._account.roll
        for _ in range(3):
            if roll:
                user = roll[int(len(roll) * self._rng.random() ** _SKEW)]
                if not user.is_vanished:
                    return user
        return None

    def _draw_behavior(self) -> Behavior | None:
        """Draw an enabled behavior by weight; None where nothing is enabled."""
        enabled = [one for one in self._account.behaviors.values() if one.enabled]
        weights = [
            self._weights.get(behavior.key, _WEIGHTS.get(behavior.level, 1.0))
            for behavior in enabled
        ]
        return self._rng.choices(enabled, weights)[0] if sum(weights) > 0 else None

    def _plan_change(self, change: BehaviorSpec) -> None:
        plan = self._around.agenda.plan
        if change.appears_after:
            plan(lambda _: self._introduce(change), at=change.appears_after)
        if change.renamed_to is not None:
            plan(lambda _: self._rename(change), at=change.renamed_after)

    def _introduce(self, change: BehaviorSpec) -> None:
        behaviors = self._account.behaviors
        behaviors[change.key] = behavior_of(change, behaviors.get(change.key))

    def _rename(self, change: BehaviorSpec) -> None:
        behavior = self._account.behaviors.get(change.key)
        if behavior is not None and change.renamed_to is not None:
            renamed = replace(behavior, name=change.renamed_to)
            self._account.behaviors[change.key] = renamed


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
