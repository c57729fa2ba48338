"""A board: sections of panels under one uid, and the way to the other boards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from grafana.variables import datasource

TAG: Final = "cloudflare-risk"
"""The tag of all boards, by which they link to each other."""

_FROM: Final = "now-15m"
"""The default time range; a new installation fills it soon. Links keep another choice."""

USER_UID: Final = "cloudflare-risk-user"

LINK_TO_USER: Final = (
    f"/d/{USER_UID}?var-datasource=${{datasource}}"
    "&var-account=${__data.fields.account:percentencode}"
    "&var-user=${__data.fields.user_id:percentencode}&${__url_time_range}"
)
"""From a row of a table that has the labels `account` and `user_id`."""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under one heading. Their widths fill whole rows of the grid's 24 columns."""

    title: str
    panels: Sequence[Builder[model.Panel]]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; `uid` is its permanent address, which links and provisioning use."""

    uid: str
    title: str
    description: str
    variables: Sequence[QueryVariable]
    sections: Sequence[Section]

    @property
    def file_name(self) -> str:
        """The name of the JSON file."""
        return f"{self.uid}.json"

    def to_json(self) -> str:
        """Return the JSON that Grafana imports; deterministic."""
        return JSONEncoder(indent=2, sort_keys=True).encode(self._model()) + "\n"

    def _model(self) -> model.Dashboard:
        builder = (
            Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .time(_FROM, "now")
            .refresh("30s")
            .timezone("browser")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .link(_links())
            .with_variable(datasource())
        )
        for variable in self.variables:
            builder.with_variable(variable)
        for section in self.sections:
            builder.with_row(Row(section.title))
            for panel in section.panels:
                builder.with_panel(panel)
        return builder.build()


def _links() -> DashboardLink:
    """Return links to the other boards, which keep variables and time range."""
    link = DashboardLink("Boards").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True)
