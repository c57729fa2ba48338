"""How thoroughly to measure at each size."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each thing is done.

    `poll_seconds` is the exporter's poll interval, long enough for a poll to be over and done
    with before the next. `windows` are ten seconds each. With `rival_runs` 0 neither
    prometheus-client nor client_golang is run.
    """

    poll_seconds: float
    polls: int = 3
    scrapes: int = 40
    windows: int = 5
    rival_runs: int = 3

    @property
    def held_back_seconds(self) -> float:
        """How late details are answered while a summary is polled, to tell the two apart."""
        return self.poll_seconds * 0.4


def plan_for(users: int) -> Plan:
    """What takes some minutes at that size."""
    if users > 100_000:
        return Plan(poll_seconds=90.0, polls=1, windows=1, rival_runs=0)
    if users > 10_000:
        return Plan(poll_seconds=10.0, polls=5)
    return Plan(poll_seconds=4.0)
