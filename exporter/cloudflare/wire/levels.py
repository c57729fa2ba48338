"""Risk levels as the API spells them."""

from typing import Final

from exporter.errors import ConfigurationError
from exporter.risk.model import LISTED_LEVELS, RiskLevel

LEVELS: Final = {level.label: level for level in LISTED_LEVELS}
"""Every level there is a word for, by that word."""


def level_of(label: str) -> RiskLevel:
    """Read a level; one this version has no word for is `UNKNOWN`, never an error."""
    return LEVELS.get(label, RiskLevel.UNKNOWN)


def label_of(level: RiskLevel) -> str:
    """Spell a level to send; raises ConfigurationError where the API takes no such level."""
    if level not in LISTED_LEVELS:
        raise ConfigurationError(f"{level.label} cannot be set: choose from {', '.join(LEVELS)}")
    return level.label
