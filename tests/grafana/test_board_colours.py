"""Levels can be told apart: on dark and light panels, by everybody."""

from itertools import combinations
from math import dist

import pytest

from exporter.risk.model import RiskLevel
from grafana.palette import LEVEL_COLOURS

DARK, LIGHT = "#181B1F", "#FFFFFF"
"""What Grafana's two themes draw panels on."""

Linear = tuple[float, float, float]
Matrix = tuple[Linear, Linear, Linear]

SIGHTS: dict[str, Matrix] = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""How linear RGB is seen: Machado, Oliveira and Fernandes, 2009, severity 1.0."""


def linear(colour: str) -> Linear:
    """Return sRGB as light, as WCAG 2 defines it."""
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return red, green, blue


def luminance(light: Linear) -> float:
    """Return the relative luminance of WCAG 2."""
    red, green, blue = light
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    dark, bright = sorted(luminance(linear(colour)) for colour in (one, other))
    return (bright + 0.05) / (dark + 0.05)


def seen(light: Linear, sight: Matrix) -> Linear:
    """Return the light as it is seen."""
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, light, strict=True))))
        for row in sight
    )
    return red, green, blue


def lab(light: Linear) -> Linear:
    """Return CIE L*a*b* under D65, in which distances are about as they are felt."""
    red, green, blue = light
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (x, luminance(light), z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: str, other: str, sight: Matrix) -> float:
    """Return how different two colours look, as CIE 1976 counts it: 2 is just noticed."""
    return dist(*(lab(seen(linear(colour), sight)) for colour in (one, other)))


@pytest.mark.parametrize("background", [DARK, LIGHT])
@pytest.mark.parametrize("level", list(RiskLevel))
def test_a_level_stands_out_from_the_panel(level: RiskLevel, background: str) -> None:
    """Three is what WCAG 2.1 asks of graphics (1.4.11) and of large text (1.4.3)."""
    assert contrast(LEVEL_COLOURS[level], background) >= 3


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(("one", "other"), list(combinations(RiskLevel, 2)))
def test_two_levels_look_different_to_everybody(
    one: RiskLevel, other: RiskLevel, sight: str
) -> None:
    """High must not look like low to one man in twelve; 25 is far more than is noticed."""
    assert difference(LEVEL_COLOURS[one], LEVEL_COLOURS[other], SIGHTS[sight]) >= 25
