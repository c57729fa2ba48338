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
from exporter.simulator.world.configuration import Behavior, severity
from exporter.simulator.world.generation import EventFactory, seeded
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.users import User
from exporter.simulator.world.world import World, behavior_of

Action: TypeAlias = Callable[[float], None]
"""A scheduled change of the world; its argument is the simulated second at which it was due."""

_MINUTE = 60.0
_HOUR = 3600.0
_SKEW = 6
"""The higher the value, the fewer users have most of the events."""

_CANDIDATES = 6
"""The number of random users from which an administrator resets the one with the highest level."""

_WEIGHTS = {"low": 8.0, "medium": 3.0, "high": 1.0}


class Schedule:
    """Actions in the order they are due, so that the outcome does not depend on how often it runs."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()

    def add(self, action: Action, *, at: float) -> None:
        """Schedule `action` at simulated second `at`."""
        heapq.heappush(self._entries, (at, next(self._numbers), action))

    def add_recurring(self, action: Action, *, per_second: float, rng: random.Random) -> None:
        """Schedule `action` at random intervals, `per_second` times a second on average."""
        if per_second <= 0:
            return

        def run_and_repeat(at: float) -> None:
            self.add(run_and_repeat, at=at + rng.expovariate(per_second))
            action(at)

        self.add(run_and_repeat, at=rng.expovariate(per_second))

    def run_until(self, now: float) -> None:
        """Run every action that is due up to simulated second `now`."""
        while self._entries and self._entries[0][0] <= now:
            at, _, action = heapq.heappop(self._entries)
            action(at)


@dataclass(frozen=True, slots=True)
class ActivityContext:
    """What the activity of every account uses; `real_ns` converts simulated seconds to instants."""

    schedule: Schedule
    event_factory: EventFactory
    rng: random.Random
    real_ns: Callable[[float], int]


class ActivityGenerator:
    """The activity of one account, entirely made of scheduled actions."""

    def __init__(self, account: Account, spec: AccountSpec, context: ActivityContext) -> None:
        self._account = account
        self._spec = spec
        self._context = context
        self._rng = context.rng
        self._weights = {one.key: one.weight for one in spec.behaviors if one.weight is not None}

    def schedule_all(self) -> None:
        """Schedule the activity that the scenario describes."""
        activity = self._spec.activity
        for action, per_second in (
            (self._trigger_event, activity.events_per_minute / _MINUTE),
            (self._trigger_burst, activity.bursts_per_hour / _HOUR),
            (self._reset_user, activity.resets_per_hour / _HOUR),
            (self._delete_user, activity.vanishings_per_hour / _HOUR),
        ):
            self._context.schedule.add_recurring(action, per_second=per_second, rng=self._rng)
        if activity.forget_after is not None:
            self._context.schedule.add_recurring(
                self._forget_events, per_second=1 / _MINUTE, rng=self._rng
            )
        for change in self._spec.behaviors:
            self._schedule_change(change)

    def _trigger_event(self, at: float) -> None:
        user, behavior = self._draw_user(), self._draw_behavior()
        if user is not None and behavior is not None:
            self._trigger(user, behavior, at=at)

    def _trigger_burst(self, at: float) -> None:
        user, behavior = self._draw_user(), self._draw_behavior()
        if user is None or behavior is None:
            return
        for _ in range(self._spec.activity.burst_events):
            due = at + self._rng.random() * self._spec.activity.burst_seconds
            self._context.schedule.add(functools.partial(self._trigger_at, user, behavior), at=due)

    def _trigger_at(self, user: User, behavior: Behavior, at: float) -> None:
        if not user.is_vanished:
            self._trigger(user, behavior, at=at)

    def _trigger(self, user: User, behavior: Behavior, *, at: float) -> None:
        appeared_ns = self._context.real_ns(at)
        late_ns = 0
        if self._rng.random() < self._spec.activity.late_share:
            late_ns = round(self._rng.random() * self._spec.activity.late_by * SECOND_NS)
        event = self._context.event_factory.new_event(
            behavior, at_ns=appeared_ns - late_ns, appeared_ns=appeared_ns
        )
        self._account.trigger(user, event)

    def _reset_user(self, at: float) -> None:
        """Reset the listed user with the highest level among a few random users, if any."""
        user_list = self._account.user_list
        seen = self._rng.choices(user_list, k=_CANDIDATES) if user_list else ()
        listed = (user for user in seen if user.is_listed)
        worst = max(listed, key=lambda user: severity(user.level or ""), default=None)
        if worst is not None:
            self._account.reset(worst, at_ns=self._context.real_ns(at))

    def _delete_user(self, at: float) -> None:
        user = self._draw_user()
        if user is None:
            return
        self._account.vanish(user)
        absence = self._spec.activity.absence
        back = at + (self._rng.expovariate(1 / absence) if absence else 0.0)
        self._context.schedule.add(lambda _: self._account.bring_back(user), at=back)

    def _forget_events(self, at: float) -> None:
        now_ns = self._context.real_ns(at)
        age_ns = round((self._spec.activity.forget_after or 0.0) * SECOND_NS)
        for user in self._account.user_list:
            self._account.forget_events(user, before_ns=now_ns - age_ns, at_ns=now_ns)

    def _draw_user(self) -> User | None:
        """Return a random user who is not deleted, mostly one of the first; None if none is found."""
        user_list = self._account.user_list
        for _ in range(3):
            if user_list:
                user = user_list[int(len(user_list) * self._rng.random() ** _SKEW)]
                if not user.is_vanished:
                    return user
        return None

    def _draw_behavior(self) -> Behavior | None:
        """Return a random enabled behavior by weight; None if none is enabled."""
        enabled = [one for one in self._account.behaviors.values() if one.enabled]
        weights = [
            self._weights.get(behavior.key, _WEIGHTS.get(behavior.level, 1.0))
            for behavior in enabled
        ]
        return self._rng.choices(enabled, weights)[0] if sum(weights) > 0 else None

    def _schedule_change(self, change: BehaviorSpec) -> None:
        add = self._context.schedule.add
        if change.appears_after:
            add(lambda _: self._add_behavior(change), at=change.appears_after)
        if change.renamed_to is not None:
            add(lambda _: self._rename_behavior(change), at=change.renamed_after)

    def _add_behavior(self, change: BehaviorSpec) -> None:
        behaviors = self._account.behaviors
        behaviors[change.key] = behavior_of(change, behaviors.get(change.key))

    def _rename_behavior(self, change: BehaviorSpec) -> None:
        behavior = self._account.behaviors.get(change.key)
        if behavior is not None and change.renamed_to is not None:
            renamed = replace(behavior, name=change.renamed_to)
            self._account.behaviors[change.key] = renamed


class Driver:
    """Applies the activity of the scenario to a world as time passes.

    Nothing runs in the background: before a read, `catch_up` applies every action at the instant it
    was due. A higher speed makes actions more frequent. Their timestamps stay real, because a
    dashboard compares them with a real clock. A pause stops simulated time.
    """

    def __init__(self, world: World, scenario: Scenario, clock: Clock) -> None:
        self._is_paused = False
        self._clock = clock
        self._schedule = Schedule()
        self._speed = scenario.speed
        self._now = 0.0
        self._now_ns = round(clock.time() * SECOND_NS)
        self._updated_at = clock.monotonic()
        for spec, account in zip(scenario.accounts, world.accounts.values(), strict=True):
            context = ActivityContext(
                schedule=self._schedule,
                event_factory=world.event_factories[account.traits.account_id],
                rng=seeded(scenario.seed, spec.name, "life"),
                real_ns=self._real_ns,
            )
            ActivityGenerator(account, spec, context).schedule_all()

    @property
    def is_paused(self) -> bool:
        """Whether simulated time is stopped."""
        return self._is_paused

    def pause(self) -> None:
        """Stop simulated time."""
        self.catch_up()
        self._is_paused = True

    def resume(self) -> None:
        """Continue simulated time."""
        self.catch_up()
        self._is_paused = False

    def catch_up(self) -> None:
        """Apply every action that became due since the last call."""
        updated_at, self._updated_at = self._updated_at, self._clock.monotonic()
        if not self._is_paused:
            self._now += (self._updated_at - updated_at) * self._speed
            self._now_ns = round(self._clock.time() * SECOND_NS)
            self._schedule.run_until(self._now)

    def _real_ns(self, at: float) -> int:
        """Return the real instant of simulated second `at`, at most the present one."""
        return self._now_ns - round((self._now - at) / self._speed * SECOND_NS)
