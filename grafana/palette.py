"""The colours of all boards and their meanings.

All colours have a contrast of at least 3 with Grafana's dark and light panels, as WCAG 2 requires
of graphics, and are distinct with each of the three kinds of colour blindness.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from exporter.risk.model import RiskLevel

GREY: Final = "#7F858D"
BLUE: Final = "#3C87C3"
GOLD: Final = "#B4870F"
RED: Final = "#C32D3C"
VIOLET: Final = "#A52DFF"

LEVEL_COLOURS: Final[Mapping[RiskLevel, str]] = MappingProxyType(
    {
        RiskLevel.NONE: GREY,
        RiskLevel.LOW: BLUE,
        RiskLevel.MEDIUM: GOLD,
        RiskLevel.HIGH: RED,
        RiskLevel.UNKNOWN: VIOLET,
    }
)
"""In the order of a legend, lowest level first."""


def words(
    meanings: Mapping[int, tuple[str, str]] | Mapping[str, tuple[str, str]],
) -> list[ValueMapping]:
    """Show values as words: number, or text, -> (word, colour)."""
    results = {
        str(value): ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(meanings.items())
    }
    return [ValueMap(options=results)]


def level_words() -> list[ValueMapping]:
    """Show a level's number as its word, in its colour."""
    return words({int(level): (level.label, colour) for level, colour in LEVEL_COLOURS.items()})


def level_labels() -> list[ValueMapping]:
    """Show a level's label in its colour."""
    return words({level.label: (level.label, colour) for level, colour in LEVEL_COLOURS.items()})


def behavior_words() -> list[ValueMapping]:
    """Show the level of a behavior; 0 is a disabled one."""
    colours = LEVEL_COLOURS.items()
    return words({int(level): (level.label, colour) for level, colour in colours} | _DISABLED)


_DISABLED: Final = {int(RiskLevel.NONE): ("disabled", GREY)}


def thresholds(base: str, *steps: tuple[float, str]) -> ThresholdsConfig:
    """Return thresholds: `base` below the first step, and the colour of each step from its value up."""
    marks = [Threshold(value=None, color=base)]
    marks += [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(marks)


def fixed(colour: str) -> FieldColor:
    """Return one colour for all values."""
    return FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour)


def by_thresholds() -> FieldColor:
    """Return the colour of the threshold or word that matches the value."""
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_order() -> FieldColor:
    """Return a colour per series, in order; Prometheus sorts series by their labels."""
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)
