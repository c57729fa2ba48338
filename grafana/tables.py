"""Tables: one query, one row per series, and declared columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.common import TableCellHeight
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import SOURCE, instant

VALUE: Final = "Value"
"""The field of the query's value; the other fields are its labels."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the label it shows, or `VALUE`.

    `unit` is the unit of a number; with it, a label that contains a number is converted. `words`
    shows numbers as coloured words. `width` is in pixels, `link` a URL that may refer to the row.
    """

    field: str
    title: str
    unit: str = ""
    words: Sequence[ValueMapping] = ()
    width: int | None = None
    link: str = ""

    @property
    def holds_number_as_label(self) -> bool:
        """Whether the column converts a label to a number."""
        return self.field != VALUE and bool(self.unit)


def rows(
    title: str, description: str, expression: str, *columns: Column, span: int = 24
) -> table.Panel:
    """Show a table of `columns`, with a row per series, in the order of the query."""
    query = instant(expression).format(PromQueryFormat.TABLE)
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(8)
        .with_target(query)
        .transformations([_numbers_of(columns), _arranged(columns)])
        .no_value("none")
        .cell_height(TableCellHeight.SM)
    )
    for column in columns:
        panel.override_by_name(column.title, list(_properties(column)))
    return panel


def _numbers_of(columns: Sequence[Column]) -> DataTransformerConfig:
    conversions = [
        {"targetField": column.field, "destinationType": "number"}
        for column in columns
        if column.holds_number_as_label
    ]
    return DataTransformerConfig(
        id_val="convertFieldType", options={"conversions": conversions, "fields": {}}
    )


def _arranged(columns: Sequence[Column]) -> DataTransformerConfig:
    shown = {column.field for column in columns}
    options = {
        "excludeByName": {field: True for field in ("Time", VALUE) if field not in shown},
        "indexByName": {column.field: index for index, column in enumerate(columns)},
        "renameByName": {column.field: column.title for column in columns},
    }
    return DataTransformerConfig(id_val="organize", options=options)


def _properties(column: Column) -> Sequence[DynamicConfigValue]:
    properties: dict[str, object] = {}
    if column.unit:
        properties |= {"unit": column.unit, "custom.align": "left"}
    if column.words:
        properties |= {"mappings": column.words, "custom.cellOptions": {"type": "color-text"}}
    if column.width is not None:
        properties["custom.width"] = column.width
    if column.link:
        properties["links"] = [{"title": f"Show this {column.title.lower()}", "url": column.link}]
    return [DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()]
