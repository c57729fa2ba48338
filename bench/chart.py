"""A chart of rows with their baselines, as SVG: one panel a subject, on a logarithmic axis.

Written by hand, for what it takes is a few lines, circles and words; a plotting library would
be the largest dependency of the project.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from bench.report import Row, short

WIDTH = 760
_LEFT = 150
_RIGHT = 50
_LINE_HEIGHT = 30
_HEAD_HEIGHT = 44
_OURS = "exporter"
_COLOURS = {
    _OURS: "#d55e00",
    "nginx": "#009e73",
    "client_golang": "#0072b2",
    "prometheus-client": "#666666",
}
"""Told apart by people who see few colours, too (Okabe and Ito)."""

_OTHER_COLOUR = "#cc79a7"

_STYLE = "font-family='sans-serif' font-size='12' fill='#333'"


@dataclass(frozen=True, slots=True)
class Panel:
    """One subject: by number of users, how much each contender takes."""

    title: str
    unit: str
    lines: Sequence[tuple[int, dict[str, float]]]


def panel(title: str, what: str, rows: Iterable[Row]) -> Panel:
    """The panel of all rows about `what`, which has no lines where there are none."""
    lines: dict[int, dict[str, float]] = {}
    unit = ""
    for row in rows:
        if row.what != what:
            continue
        unit = row.unit
        contenders = lines.setdefault(row.users, {_OURS: row.median})
        if row.baseline is not None:
            contenders[_contender(row.against)] = row.baseline
    return Panel(title, unit, tuple(lines.items()))


def draw(panels: Sequence[Panel]) -> str:
    """The whole chart; panels without lines are left out."""
    parts = [_legend()]
    top = 40
    for one in panels:
        if one.lines:
            parts.append(_draw_panel(one, top))
            top += _HEAD_HEIGHT + _LINE_HEIGHT * (len(one.lines) + 1)
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top}' role='img'>"
    background = f"<rect width='{WIDTH}' height='{top}' fill='white'/>"
    return "\n".join([head, background, *parts, "</svg>", ""])


def _contender(against: str) -> str:
    return next((name for name in _COLOURS if name in against), against)


def _legend() -> str:
    items = []
    for number, (name, colour) in enumerate(_COLOURS.items()):
        x = 16 + number * 150
        items.append(f"<circle cx='{x}' cy='20' r='6' fill='{colour}'/>")
        items.append(f"<text x='{x + 12}' y='24' {_STYLE}>{escape(name)}</text>")
    return "\n".join(items)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from 10^`low` to 10^`high`."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Axis":
        """One with room for all values, which are above zero."""
        low = floor(log10(min(values)))
        return cls(low, max(ceil(log10(max(values))), low + 1))

    def place(self, value: float) -> float:
        """Where a value stands, from left to right."""
        share = (log10(value) - self.low) / (self.high - self.low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _draw_panel(one: Panel, top: int) -> str:
    axis = _Axis.of([value for _, contenders in one.lines for value in contenders.values()])
    bottom = top + _HEAD_HEIGHT + _LINE_HEIGHT * len(one.lines)
    title = f"<text x='10' y='{top + 20}' {_STYLE} font-weight='bold'>{escape(one.title)}</text>"
    grid = _draw_grid(axis, one.unit, top=top + 30, bottom=bottom)
    points = [
        _draw_line(users, contenders, axis, unit=one.unit, y=top + _HEAD_HEIGHT + 8 + place)
        for (users, contenders), place in zip(one.lines, count(0, _LINE_HEIGHT), strict=False)
    ]
    return "\n".join([title, grid, *points])


def _draw_grid(axis: _Axis, unit: str, *, top: int, bottom: int) -> str:
    parts = []
    for exponent in range(axis.low, axis.high + 1):
        value = 10.0**exponent
        x = f"{axis.place(value):.1f}"
        label = f"{short(value)} {unit}"
        parts += [
            f"<line x1='{x}' y1='{top}' x2='{x}' y2='{bottom}' stroke='#ddd'/>",
            f"<text x='{x}' y='{bottom + 14}' {_STYLE} text-anchor='middle'>{label}</text>",
        ]
    return "\n".join(parts)


def _draw_line(
    users: int, contenders: Mapping[str, float], axis: _Axis, *, unit: str, y: int
) -> str:
    """The points of one number of users; ours on top of all others."""
    parts = [f"<text x='10' y='{y + 4}' {_STYLE}>{users:,} users</text>"]
    for name, value in sorted(contenders.items(), key=lambda item: item[0] == _OURS):
        colour = _COLOURS.get(name, _OTHER_COLOUR)
        title = f"<title>{escape(name)}: {short(value)} {unit}</title>"
        x = f"{axis.place(value):.1f}"
        parts.append(f"<circle cx='{x}' cy='{y}' r='6' fill='{colour}'>{title}</circle>")
    return "\n".join(parts)
