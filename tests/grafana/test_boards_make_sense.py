"""What every board owes to whoever opens it, read from the JSON that is imported."""

import re
from collections.abc import Iterator

import msgspec
import pytest

from exporter.catalogue import EXPORTER_METRICS, PREFIX, RISK_METRICS, Metric
from tests.support.dashboards import (
    Dashboard,
    Panel,
    load_dashboards,
    references,
)

BOARDS = load_dashboards()
CATALOGUE = {metric.name: metric for metric in (*RISK_METRICS, *EXPORTER_METRICS)}

OF_PROMETHEUS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
OF_THE_PROCESS = {
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
BUILT_IN = {"__rate_interval", "__range", "__data", "__url_time_range"}
PANEL_TYPES = {"timeseries", "stat", "bargauge", "table"}

SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:]+)\{(?P<matchers>[^}]*)\}")
DATA_LINK = re.compile(r"/d/(?P<uid>[\w-]+)\?(?P<query>.*)")


PANELS = [
    pytest.param(panel, id=f"{board.uid}: {panel.title}")
    for board in BOARDS.values()
    for panel in board.drawn
]

each_panel = pytest.mark.parametrize("panel", PANELS)
each_board = pytest.mark.parametrize("board", list(BOARDS.values()), ids=list(BOARDS))


def expressions(board: Dashboard) -> Iterator[str]:
    """Return everything a board asks."""
    yield from (target.expr for panel in board.drawn for target in panel.targets)
    yield from (variable.query for variable in board.variables)


def metric_of(name: str) -> Metric | None:
    """Return the metric of the catalogue that a series of this name belongs to."""
    for suffix in ("", "_bucket", "_sum", "_count"):
        if name.endswith(suffix) and (metric := CATALOGUE.get(name.removesuffix(suffix))):
            return metric
    return None


@each_panel
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    """The title is read at night by somebody who did not make the board."""
    assert panel.title
    assert panel.description.endswith(".")
    assert panel.type in PANEL_TYPES


@each_panel
def test_a_number_has_a_unit(panel: Panel) -> None:
    """Seconds and milliseconds look alike without one."""
    if panel.type != "table":
        assert panel.field_config.defaults.unit
        return
    organize = next(step for step in panel.transformations if step.id == "organize")
    titles = msgspec.convert(organize.options["renameByName"], dict[str, str])
    converted = next(step for step in panel.transformations if step.id == "convertFieldType")
    conversions = msgspec.convert(converted.options["conversions"], list[dict[str, str]])
    numbers = {conversion["targetField"] for conversion in conversions} | {"Value"} & titles.keys()
    with_unit = {
        override.matcher.options
        for override in panel.field_config.overrides
        if any(one.id == "unit" and one.value for one in override.properties)
    }
    assert {titles[number] for number in numbers} == with_unit


@each_panel
def test_a_panel_asks_the_chosen_data_source(panel: Panel) -> None:
    """A uid of somebody's own Grafana would leave everybody else's board empty."""
    assert panel.targets
    for source in (panel.datasource, *(target.datasource for target in panel.targets)):
        assert source is not None
        assert (source.type, source.uid) == ("prometheus", "${datasource}")


@each_panel
def test_a_table_is_one_query(panel: Panel) -> None:
    """Rows of several queries fit together only where all of them name the same labels."""
    if panel.type == "table":
        assert [(target.format, target.instant) for target in panel.targets] == [("table", True)]


@each_board
def test_every_metric_is_in_the_catalogue(board: Dashboard) -> None:
    """A panel that asks for a metric nobody exposes is empty, and looks like good news."""
    names = {match["name"] for text in expressions(board) for match in SELECTOR.finditer(text)}
    ours = {name for name in names if name.startswith(PREFIX)}
    assert {name for name in ours if metric_of(name) is None} == set()
    assert names - ours <= OF_PROMETHEUS | OF_THE_PROCESS


@each_board
def test_every_selector_is_limited_to_what_was_chosen(board: Dashboard) -> None:
    """With two accounts or two exporters the numbers must not be those of all of them."""
    for panel in board.drawn:
        for match in (one for target in panel.targets for one in SELECTOR.finditer(target.expr)):
            metric = metric_of(match["name"])
            of_account = metric is not None and "account" in metric.labels
            chosen = "$account" if of_account else "$instance"
            assert chosen in match["matchers"], f"{panel.title}: {match[0]}"


@each_board
def test_every_label_exists(board: Dashboard) -> None:
    """A matcher on a label that a metric does not have matches nothing, or everything."""
    for text in expressions(board):
        for match in SELECTOR.finditer(text):
            labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", match["matchers"]))
            metric = metric_of(match["name"])
            assert labels <= {*(metric.labels if metric else ()), "job", "instance"}


@each_board
def test_every_variable_is_there(board: Dashboard) -> None:
    """A name that is not a variable stays in the query as it is, and finds nothing."""
    known = {variable.name for variable in board.variables} | BUILT_IN
    asked = {name for text in expressions(board) for name in references(text)}
    assert asked <= known
    assert {"datasource", "account"} <= known


@each_board
def test_a_variable_asks_the_chosen_data_source(board: Dashboard) -> None:
    """The choices must be those of the data that are shown."""
    for variable in board.variables:
        if variable.type == "query":
            assert variable.datasource is not None
            assert variable.datasource.uid == "${datasource}"
        else:
            assert (variable.type, variable.query) == ("datasource", "prometheus")


@each_board
def test_accounts_are_any_number_and_all_at_first(board: Dashboard) -> None:
    """An account that is added tomorrow belongs to all of them."""
    account = next(one for one in board.variables if one.name == "account")
    assert account.multi
    assert account.include_all
    assert account.all_value == ".+"


@each_board
def test_the_rows_of_the_grid_are_full(board: Dashboard) -> None:
    """Holes and overlaps are moved about by Grafana, and then nothing is where it was."""
    cells: dict[tuple[int, int], str] = {}
    for panel in board.panels:
        grid = panel.grid_pos
        for cell in (
            (x, y) for x in range(grid.x, grid.x + grid.w) for y in range(grid.y, grid.y + grid.h)
        ):
            assert cell not in cells, f"{panel.title} is on {cells[cell]}"
            cells[cell] = panel.title
    height = max(y for _, y in cells) + 1
    assert cells.keys() == {(x, y) for x in range(24) for y in range(height)}


@each_board
def test_boards_link_to_each_other_and_take_the_choice_along(board: Dashboard) -> None:
    """Whoever follows a user must not have to choose the account and the time again."""
    (link,) = board.links
    assert (link.type, link.include_vars, link.keep_time) == ("dashboards", True, True)
    reached = [other for other in BOARDS.values() if set(link.tags) <= set(other.tags)]
    assert len(reached) == len(BOARDS)


def links_of(panel: Panel) -> Iterator[str]:
    """Return the URL of every link from a row of the panel."""
    for override in panel.field_config.overrides:
        for one in (one for one in override.properties if one.id == "links"):
            yield from (link["url"] for link in msgspec.convert(one.value, list[dict[str, str]]))


DATA_LINKS = [
    pytest.param(panel, url, id=f"{board.uid}: {panel.title}")
    for board in BOARDS.values()
    for panel in board.drawn
    for url in links_of(panel)
]


@pytest.mark.parametrize(("panel", "url"), DATA_LINKS)
def test_a_link_from_a_row_leads_to_what_the_row_is_about(panel: Panel, url: str) -> None:
    """A link to a board, a variable or a column that is not there leads nowhere, silently."""
    match = DATA_LINK.fullmatch(url)
    assert match is not None
    target = next(board for board in BOARDS.values() if board.uid == match["uid"])
    variables = set(re.findall(r"var-(\w+)=", match["query"]))
    assert variables <= {variable.name for variable in target.variables}
    organize = next(step for step in panel.transformations if step.id == "organize")
    fields = msgspec.convert(organize.options["indexByName"], dict[str, int])
    assert set(re.findall(r"__data\.fields\.(\w+)", match["query"])) <= fields.keys()
    assert references(re.sub(r"\$\{__data[^}]*\}", "", url)) <= {"datasource", "__url_time_range"}


def test_there_are_links_from_rows() -> None:
    """The test above must not pass for want of links."""
    assert len(DATA_LINKS) >= 2


def test_uids_are_stable_and_name_the_files() -> None:
    """Bookmarks, alerts and runbooks lead to the uid."""
    assert {name: board.uid for name, board in BOARDS.items()} == {
        f"cloudflare-risk-{name}.json": f"cloudflare-risk-{name}"
        for name in ("exporter", "overview", "user")
    }


def test_every_metric_of_the_catalogue_is_on_some_board() -> None:
    """A metric nobody can see is not missed when it breaks."""
    shown = {
        metric.name
        for board in BOARDS.values()
        for text in expressions(board)
        for match in SELECTOR.finditer(text)
        if (metric := metric_of(match["name"]))
    }
    assert CATALOGUE.keys() - shown == set()
