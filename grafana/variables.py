"""What a board can be asked about: its data source, accounts, targets, user."""

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.dashboard import (
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from exporter.catalogue import Metric
from exporter.catalogue.risk import UP, USER_LEVEL
from exporter.catalogue.telemetry import BUILD_INFO
from grafana.panels import SOURCE


def datasource() -> DatasourceVariable:
    """Which Prometheus."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def account() -> QueryVariable:
    """Which accounts: any number, at first all, those to come included."""
    return _several("account", "Account", UP.name).all_value(".+")


def job() -> QueryVariable:
    """Which scrape jobs of exporters, where there is more than one.

    "All" means all jobs listed, not any job: the metrics of processes are those of everybody.
    """
    return _several("job", "Job", BUILD_INFO.name)


def instance() -> QueryVariable:
    """Which exporters of these jobs."""
    return _several("instance", "Instance", f'{BUILD_INFO.name}{{job=~"$job"}}')


def user() -> QueryVariable:
    """Which user of the accounts, by the id that is there whatever identities are exposed."""
    return _query("user", "User", _of_accounts(USER_LEVEL), label="user_id")


def _of_accounts(metric: Metric) -> str:
    return f'{metric.name}{{account=~"$account"}}'


def _several(name: str, title: str, selector: str) -> QueryVariable:
    chosen = VariableOption(text=["All"], value=["$__all"], selected=True)
    return _query(name, title, selector, label=name).multi(True).include_all(True).current(chosen)


def _query(name: str, title: str, selector: str, *, label: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(title)
        .datasource(SOURCE)
        .query(f"label_values({selector}, {label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
