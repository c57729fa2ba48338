"""The variables of boards: data source, accounts, targets, user."""

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
    """Return the variable of the Prometheus data source."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def account() -> QueryVariable:
    """Return the variable of accounts; the default is all accounts, including new ones."""
    return _several("account", "Account", UP.name).all_value(".+")


def job() -> QueryVariable:
    """Return the variable of the exporters' scrape jobs.

    "All" means all listed jobs, not any job, because other programs have process metrics as well.
    """
    return _several("job", "Job", BUILD_INFO.name)


def instance() -> QueryVariable:
    """Return the variable of the exporters of these jobs."""
    return _several("instance", "Instance", f'{BUILD_INFO.name}{{job=~"$job"}}')


def user() -> QueryVariable:
    """Return the variable of users, by id, which is exposed in every identity mode."""
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
