"""The scenario: the YAML model of what is simulated."""

from exporter.simulator.scenario.accounts import (
    AccountSpec,
    Activity,
    BehaviorSpec,
    EventSpec,
    IntegrationSpec,
    LevelMix,
    UserSpec,
)
from exporter.simulator.scenario.scenario import (
    Fault,
    FaultKind,
    Permission,
    Policy,
    QuotaSpec,
    Scenario,
    TokenSpec,
    load_scenario,
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
    "load_scenario",
]
