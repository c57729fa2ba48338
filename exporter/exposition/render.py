"""Samples as lines of the two exposition formats, and the comments before a family.

Sources: Prometheus's "Exposition formats" page for text 0.0.4, and the OpenMetrics 1.0.0
specification.
"""

from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

from exporter.catalogue import Metric, Sample
from exporter.risk.model import Exemplar

T = TypeVar("T")

TEXT_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Formats(NamedTuple, Generic[T]):
    """A value for the text format 0.0.4 and one for OpenMetrics 1.0.0, which may be the same."""

    text: T
    openmetrics: T

    def choose(self, *, openmetrics: bool) -> T:
        """Return the value for one format."""
        return self.openmetrics if openmetrics else self.text


EOF = b"# EOF\n"
"""The end mark of OpenMetrics, which makes a truncated response detectable."""

_EXEMPLAR_LABEL = "event_id"
_EXEMPLAR_LABELS_MAX = 128  # OpenMetrics: UTF-8 characters of all names and values together
_EXACT_INTEGER_MAX = 2.0**53
_NOT_FINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def render_head(metric: Metric) -> Formats[bytes]:
    """Return the HELP and TYPE lines of a family."""
    help_text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = metric.type.value
    text = f"# HELP {metric.name} {help_text}\n# TYPE {metric.name} {kind}\n"
    help_text = help_text.replace('"', r"\"")
    openmetrics = f"# HELP {metric.family} {help_text}\n# TYPE {metric.family} {kind}\n"
    return Formats(text.encode(), openmetrics.encode())


class SampleRenderer:
    """Renders samples of one metric for one account, without `_created` unless `created_shown`."""

    def __init__(self, metric: Metric, account: str, *, created_shown: bool) -> None:
        self._created_shown = created_shown
        self._is_counter = metric.is_counter
        self._template = _template(metric.name, metric, account)
        self._created_template = _template(metric.created, metric, account)

    def render(self, samples: Iterable[Sample]) -> Formats[bytes]:
        """Return one line per sample; for counters in OpenMetrics also exemplars and `_created`.

        Both formats share one object unless the metric is a counter. Lone surrogates, which UTF-8
        cannot encode, become question marks: one of them would make the whole scrape fail.
        """
        if self._is_counter:
            return self._render_counters(samples)
        template = self._template
        body = _encoded([template % (*_escaped_all(one), _number(one.value)) for one in samples])
        return Formats(body, body)

    def _render_counters(self, samples: Iterable[Sample]) -> Formats[bytes]:
        text: list[str] = []
        openmetrics: list[str] = []
        for sample in samples:
            labels = _escaped_all(sample)
            line = self._template % (*labels, _number(sample.value))
            text.append(line)
            openmetrics.append(line + _exemplar(sample.exemplar))
            if self._created_shown and sample.created is not None:
                openmetrics.append(self._created_template % (*labels, _number(sample.created)))
        return Formats(_encoded(text), _encoded(openmetrics))


def _template(name: str, metric: Metric, account: str) -> str:
    """Return a line template with a placeholder for each label but `account`, and for the value."""
    places = "".join(f',{label}="%s"' for label in metric.labels[1:])
    fixed = f'{name}{{account="{escape_label(account)}"'.replace("%", "%%")
    return f"{fixed}{places}}} %s"


def _escaped_all(sample: Sample) -> list[str]:
    return [escape_label(label) for label in sample.labels]


def escape_label(value: str) -> str:
    """Return a label value escaped for use between quotes, the same in both formats."""
    if '"' in value or "\\" in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


def _number(value: float) -> str:
    """Return the shortest text that parses as the same number."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < _EXACT_INTEGER_MAX:
        return str(int(value))
    text = repr(value)
    return _NOT_FINITE.get(text, text)


def _exemplar(exemplar: Exemplar | None) -> str:
    """Return an exemplar as text, or nothing if its id would make the whole scrape fail.

    Such an id is longer than OpenMetrics allows, or has a zero character, which Prometheus's lexer
    accepts in all labels except those of exemplars.
    """
    if exemplar is None or "\0" in exemplar.event_id:
        return ""
    if len(_EXEMPLAR_LABEL) + len(exemplar.event_id) > _EXEMPLAR_LABELS_MAX:
        return ""
    labels = f'{{{_EXEMPLAR_LABEL}="{escape_label(exemplar.event_id)}"}}'
    return f" # {labels} 1 {_number(exemplar.timestamp)}"


def _encoded(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode(errors="replace")
