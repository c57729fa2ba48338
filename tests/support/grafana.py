"""Asks a real Prometheus what Grafana would ask it for a dashboard."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

import httpx
import msgspec

from tests.support.dashboards import Dashboard, Panel, Target, Variable, View, label_query
from tests.support.prometheus import Prometheus, Sample

RANGE_SECONDS = 300
STEP_SECONDS = 1
"""That of the scrapes, so that also what was there for one of them is seen."""


class _Choices(msgspec.Struct):
    data: list[str]


@dataclass(frozen=True, slots=True)
class Grafana:
    """Somebody who opens dashboards on a Prometheus."""

    prometheus: Prometheus
    client: httpx.AsyncClient

    async def choices(self, variable: Variable, view: View) -> list[str]:
        """What a variable lets somebody choose from, seen in the time range."""
        selector, label = label_query(view.expression(variable.query))
        answer = await self.client.get(
            f"{self.prometheus.url}/api/v1/label/{label}/values",
            params={"match[]": selector, "start": f"{time.time() - view.range_seconds:.3f}"},
        )
        return msgspec.json.decode(answer.raise_for_status().content, type=_Choices).data

    async def open(self, board: Dashboard) -> View:
        """A board as it opens: all of what may be many, the first of what can be one.

        An AssertionError where a variable has nothing to choose from.
        """
        values: dict[str, str | Sequence[str]] = {"datasource": "prometheus"}
        view = View(values, RANGE_SECONDS, STEP_SECONDS)
        for variable in (one for one in board.variables if one.type == "query"):
            choices = await self.choices(variable, view)
            assert choices, f"nothing to choose from for {variable.name}"
            everything = variable.all_value or choices
            values[variable.name] = everything if variable.include_all else choices[0]
        return view

    async def empty_queries(self, board: Dashboard, view: View) -> set[str]:
        """The queries of a board that show nothing: panel and reference."""
        return {
            f"{panel.title} {target.ref_id}"
            for panel in board.drawn
            for target in panel.targets
            if not await self._shows_something(panel, target, view)
        }

    async def rows(self, board: Dashboard, title: str, *, at: float) -> list[Sample]:
        """What the table of this title is made of at Unix second `at`."""
        panel = next(one for one in board.drawn if one.title == title)
        view = await self.open(board)
        return await self.prometheus.query(view.expression(panel.targets[0].expr), at=at)

    async def _shows_something(self, panel: Panel, target: Target, view: View) -> bool:
        stepped = replace(view, step_seconds=max(view.step_seconds, panel.min_step_seconds))
        expression = stepped.expression(target.expr)
        if target.instant:
            values = [sample.value for sample in await self.prometheus.query(expression)]
        else:
            end = time.time()
            found = await self.prometheus.query_range(
                expression,
                start=end - view.range_seconds,
                end=end,
                step_seconds=stepped.step_seconds,
            )
            values = [value for series in found for _, value in series.points]
        return not all(map(isnan, values))
