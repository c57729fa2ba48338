"""Which colour means what, on every board.

All colours stand out from Grafana's dark and light panels (contrast of 3 and more, as WCAG 2
asks of graphics) and stay apart for people with any of the three kinds of colour blindness.
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
"""In the order of a legend, calm first."""


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
    """Show the level a behavior gives; one that is disabled gives none, so 0 says so."""
    colours = LEVEL_COLOURS.items()
    return words({int(level): (level.label, colour) for level, colour in colours} | _DISABLED)


_DISABLED: Final = {int(RiskLevel.NONE): ("disabled", GREY)}


def thresholds(base: str, *steps: tuple[float, str]) -> ThresholdsConfig:
    """`base` below the first step; from each step's value up, its colour."""
    marks = [Threshold(value=None, color=base)]
    marks += [Threshold(value=value, color=colour) for value, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(marks)


def fixed(colour: str) -> FieldColor:
    """One colour, whatever the value."""
    return FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour)


def by_thresholds() -> FieldColor:
    """The colour of the threshold, or of the word, that the value falls on."""
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_order() -> FieldColor:
    """A colour for each series, in their order; Prometheus gives them sorted by their labels."""
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)
