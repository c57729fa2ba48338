"""The committed dashboards as Grafana reads them, and its way of asking Prometheus for them.

Knows nothing of the code they are generated from. Variables are put in as
https://grafana.com/docs/grafana/latest/dashboards/variables/ describes it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"

_REFERENCE = re.compile(r"\$\{(?P<braced>\w+)(?::\w+)?\}|\$(?P<bare>\w+)")
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}]")


class Source(msgspec.Struct):
    """Which data source something asks."""

    type: str
    uid: str


class Target(msgspec.Struct, rename="camel"):
    """One query of a panel."""

    ref_id: str
    expr: str
    datasource: Source
    legend_format: str
    instant: bool = False
    range: bool = False
    format: str = ""


class Grid(msgspec.Struct):
    """Where a panel is, in columns and rows of the grid."""

    x: int
    y: int
    w: int
    h: int


class Property(msgspec.Struct):
    """One setting of an override."""

    id: str
    value: object = None


class Matcher(msgspec.Struct):
    """What an override is for; `options` is a name in all of ours."""

    id: str
    options: str


class Override(msgspec.Struct):
    """Settings of the fields that match."""

    matcher: Matcher
    properties: list[Property]


class Defaults(msgspec.Struct):
    """Settings of all fields."""

    unit: str = ""


class FieldConfig(msgspec.Struct):
    """How the values of a panel are shown."""

    defaults: Defaults
    overrides: list[Override] = []


class Transformation(msgspec.Struct):
    """One step between the answer and the table."""

    id: str
    options: dict[str, object]


class Panel(msgspec.Struct, rename="camel"):
    """A panel or a row, which has neither queries nor settings."""

    type: str
    title: str
    grid_pos: Grid
    description: str = ""
    datasource: Source | None = None
    targets: list[Target] = []
    field_config: FieldConfig = msgspec.field(default_factory=lambda: FieldConfig(Defaults()))
    transformations: list[Transformation] = []
    interval: str = "0m"

    @property
    def min_step_seconds(self) -> int:
        """The least time between two of its points; ours are told in minutes."""
        return int(self.interval.removesuffix("m")) * 60


class Variable(msgspec.Struct, rename="camel"):
    """A variable of a dashboard."""

    name: str
    type: str
    label: str
    query: str
    datasource: Source | None = None
    multi: bool = False
    include_all: bool = False
    all_value: str | None = None


class _Templating(msgspec.Struct):
    list: list[Variable]


class Link(msgspec.Struct, rename="camel"):
    """A link from a dashboard to all that have the tags."""

    type: str
    tags: list[str]
    include_vars: bool
    keep_time: bool


class Dashboard(msgspec.Struct):
    """A dashboard, as far as the tests look at it."""

    uid: str
    title: str
    description: str
    tags: list[str]
    templating: _Templating
    panels: list[Panel]
    links: list[Link]

    @property
    def variables(self) -> Sequence[Variable]:
        """Its variables in their order."""
        return self.templating.list

    @property
    def drawn(self) -> Iterator[Panel]:
        """Its panels without the rows."""
        return (panel for panel in self.panels if panel.type != "row")


def load_dashboards() -> Mapping[str, Dashboard]:
    """File name -> dashboard."""
    decode = msgspec.json.Decoder(Dashboard).decode
    return {path.name: decode(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}


def references(text: str) -> set[str]:
    """The variables that `text` speaks of, without their dollar."""
    return {match["braced"] or match["bare"] for match in _REFERENCE.finditer(text)}


def label_query(query: str) -> tuple[str, str]:
    """The selector and the label of a variable that asks for `label_values`."""
    match = _LABEL_VALUES.fullmatch(query)
    assert match is not None, query
    return match["selector"], match["label"]


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at: the variables' values and the time range.

    A variable that may have several values has them as a sequence, and is put in as a regular
    expression; one that stands for all without naming them as that expression itself.
    """

    values: Mapping[str, str | Sequence[str]]
    range_seconds: int
    step_seconds: int
    scrape_interval_seconds: int = 1

    def expression(self, text: str) -> str:
        """`text` with the values in the places of the variables."""
        return _REFERENCE.sub(lambda match: self._value(match["braced"] or match["bare"]), text)

    def _value(self, name: str) -> str:
        if name == "__range":
            return f"{self.range_seconds}s"
        if name == "__rate_interval":
            scrape = self.scrape_interval_seconds
            return f"{max(self.step_seconds + scrape, 4 * scrape)}s"
        value = self.values[name]
        if isinstance(value, str):
            return value
        escaped = [_SPECIAL.sub(r"\\\\\g<0>", one) for one in value]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
