"""A chart of rows with their baselines, as SVG: one panel a subject, on a logarithmic axis.

Written by hand, for what it takes is a few lines, circles and words; a plotting library would
be the largest dependency of the project.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from bench.report import Row, short

WIDTH = 760
_LEFT = 150
_RIGHT = 40
_LINE_HEIGHT = 30
_HEAD_HEIGHT = 44
_COLOURS = {
    "exporter": "#d55e00",
    "nginx": "#009e73",
    "client_golang": "#0072b2",
    "prometheus-client": "#666666",
}
"""Told apart by people who see few colours, too (Okabe and Ito)."""

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
        contenders = lines.setdefault(row.users, {"exporter": row.median})
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


def _draw_panel(one: Panel, top: int) -> str:
    values = [value for _, contenders in one.lines for value in contenders.values()]
    low = floor(log10(min(values)))
    high = max(ceil(log10(max(values))), low + 1)
    bottom = top + _HEAD_HEIGHT + _LINE_HEIGHT * len(one.lines)

    def place(value: float) -> float:
        return _LEFT + (log10(value) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    parts = [f"<text x='10' y='{top + 20}' {_STYLE} font-weight='bold'>{escape(one.title)}</text>"]
    for exponent in range(low, high + 1):
        x = place(10.0**exponent)
        parts.append(
            f"<line x1='{x:.1f}' y1='{top + 30}' x2='{x:.1f}' y2='{bottom}' stroke='#ddd'/>"
        )
        label = f"{short(10.0**exponent)} {one.unit}"
        parts.append(
            f"<text x='{x:.1f}' y='{bottom + 14}' {_STYLE} text-anchor='middle'>{label}</text>"
        )
    for number, (users, contenders) in enumerate(one.lines):
        y = top + _HEAD_HEIGHT + _LINE_HEIGHT * number + 8
        parts.append(f"<text x='10' y='{y + 4}' {_STYLE}>{users:,} users</text>")
        for name, value in sorted(contenders.items(), key=lambda item: item[0] == "exporter"):
            colour = _COLOURS.get(name, "#cc79a7")
            title = f"<title>{escape(name)}: {short(value)} {one.unit}</title>"
            parts.append(
                f"<circle cx='{place(value):.1f}' cy='{y}' r='6' fill='{colour}'>{title}</circle>"
            )
    return "\n".join(parts)
