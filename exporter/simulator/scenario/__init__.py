"""What a simulator is started with, as people write it in YAML."""

from exporter.simulator.scenario.accounts import (
    AccountSpec,
    Activity,
    BehaviorSpec,
    EventSpec,
    IntegrationSpec,
    LevelMix,
    UserSpec,
)
from exporter.simulator.scenario.explaining import explain
from exporter.simulator.scenario.faults import Fault, FaultKind
from exporter.simulator.scenario.loading import load_scenario
from exporter.simulator.scenario.root import (
    Permission,
    Policy,
    QuotaSpec,
    Scenario,
    TokenSpec,
)

__all__ = [
    "AccountSpec",
    "Activity",
    "BehaviorSpec",
    "EventSpec",
    "Fault",
    "FaultKind",
    "IntegrationSpec",
    "LevelMix",
    "Permission",
    "Policy",
    "QuotaSpec",
    "Scenario",
    "TokenSpec",
    "UserSpec",
    "explain",
    "load_scenario",
]
