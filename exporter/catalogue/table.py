"""The metrics as a Markdown table, so that the documentation cannot drift from the code."""

from collections.abc import Iterable

from exporter.catalogue.metric import Metric


def metric_table(metrics: Iterable[Metric]) -> str:
    """One row a metric: name, type, labels, meaning. Ends with a newline."""
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    rows += [_row(metric) for metric in metrics]
    return "\n".join(rows) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.type.value} | {labels} | {meaning} |"
