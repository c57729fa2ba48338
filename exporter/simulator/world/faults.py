"""The configured faults, and which of them applies to a request."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.simulator.scenario.scenario import Fault


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """The properties of a request that a fault can select; `account` has both name and id."""

    operation: str
    account: frozenset[str]
    token: str


@dataclass(slots=True)
class FaultRule:
    """A configured fault; `begins_at` is in seconds of a monotonic clock."""

    number: int
    fault: Fault
    begins_at: float
    applied: int = 0

    def is_over(self, now: float) -> bool:
        """Return whether the fault will not apply again."""
        fault = self.fault
        is_used_up = fault.count is not None and self.applied >= fault.count
        is_late = fault.lasting is not None and now >= self.begins_at + fault.lasting
        return is_used_up or is_late

    def applies(self, target: RequestTarget, now: float) -> bool:
        """Return whether the fault may apply to `target`, leaving aside its probability."""
        fault = self.fault
        return (
            now >= self.begins_at
            and not self.is_over(now)
            and fault.operation in {None, target.operation}
            and (fault.account is None or fault.account in target.account)
            and fault.token in {None, target.token}
        )


class FaultRules:
    """The configured faults; of several that apply, the first one configured is used."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rules: list[FaultRule] = []
        self._next_number = 1

    def add(self, fault: Fault, *, now: float) -> FaultRule:
        """Add `fault`, which begins its `after` seconds from `now`."""
        rule = FaultRule(self._next_number, fault, begins_at=now + fault.after)
        self._next_number += 1
        self._rules.append(rule)
        return rule

    def clear(self, numbers: Iterable[int] | None = None) -> int:
        """Remove the rules with these numbers, or all of them; return how many were removed."""
        doomed = None if numbers is None else set(numbers)
        kept = [rule for rule in self._rules if doomed is not None and rule.number not in doomed]
        cleared = len(self._rules) - len(kept)
        self._rules = kept
        return cleared

    def rules(self, *, now: float) -> tuple[FaultRule, ...]:
        """Return the rules that are not over."""
        self._rules = [rule for rule in self._rules if not rule.is_over(now)]
        return tuple(self._rules)

    def take(self, target: RequestTarget, *, now: float) -> Fault | None:
        """Return the fault that applies to this request, and count its use."""
        for rule in self.rules(now=now):
            if rule.applies(target, now) and self._rng.random() < rule.fault.probability:
                rule.applied += 1
                return rule.fault
        return None
