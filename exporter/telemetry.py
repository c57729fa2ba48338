"""The exporter's own metrics: prometheus-client's objects, on a registry of our own.

Declared in the catalogue; this module only keeps the numbers. It knows no rule of polling.
"""

import platform
from collections.abc import Iterator
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric as ClientFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.catalogue import Metric, MetricType
from exporter.catalogue import telemetry as declared
from exporter.cloudflare.wire import Operation

M = TypeVar("M", Gauge, Counter, Histogram)

_POLLED = (
    Operation.LIST_SUMMARY,
    Operation.GET_USER,
    Operation.GET_BEHAVIORS,
    Operation.LIST_INTEGRATIONS,
)

_END_OF_OPENMETRICS = b"# EOF\n"
_EXPOSITION_BYTES = f"\n{declared.EXPOSITION_BYTES.name} ".encode()
_SAMPLE_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
}


class Telemetry:
    """One attribute a metric of the exporter itself, each with its catalogue labels.

    A labelled series exists from its first use on; `register_account` makes those that must be
    seen at zero. `created_shown` says whether OpenMetrics has `_created` samples.
    """

    def __init__(self) -> None:
        self.created_shown = True
        self._registry = CollectorRegistry()
        self._tokens: dict[str, str] = {}
        self._of_accounts: list[Gauge | Counter | Histogram] = []
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.resource_up = self._gauge(declared.RESOURCE_UP)
        self.last_success = self._gauge(declared.LAST_SUCCESS)
        self.poll_duration = self._gauge(declared.POLL_DURATION)
        self.poll_interval = self._gauge(declared.POLL_INTERVAL)
        self.polls = self._counter(declared.POLLS)
        self.poll_failures = self._counter(declared.POLL_FAILURES)
        self.api_requests = self._counter(declared.API_REQUESTS)
        self.api_request_duration = self._histogram(declared.API_REQUEST_DURATION)
        self.answer_rows = self._counter(declared.ANSWER_ROWS)
        self.unreadable_rows = self._counter(declared.UNREADABLE_ROWS)
        self.account_token_info = self._gauge(declared.ACCOUNT_TOKEN_INFO)
        self.api_quota_limit = self._gauge(declared.API_QUOTA_LIMIT)
        self.api_quota_remaining = self._gauge(declared.API_QUOTA_REMAINING)
        self.api_quota_reset = self._gauge(declared.API_QUOTA_RESET)
        self.api_paused = self._counter(declared.API_PAUSED)
        self.pending_users = self._gauge(declared.PENDING_USERS)
        self.oldest_pending = self._gauge(declared.OLDEST_PENDING)
        self.detection_delay = self._histogram(declared.DETECTION_DELAY)
        self.users_withheld = self._gauge(declared.USERS_WITHHELD)
        self.departures_frozen = self._gauge(declared.DEPARTURES_FROZEN)
        self.state_commit_failures = self._counter(declared.STATE_COMMIT_FAILURES)
        self.state_commit_duration = self._gauge(declared.STATE_COMMIT_DURATION)
        self.state_size = self._gauge(declared.STATE_SIZE)
        self.exposition_series = self._gauge(declared.EXPOSITION_SERIES)
        self.exposition_bytes = self._gauge(declared.EXPOSITION_BYTES)
        self.web_connections_refused = self._counter(declared.WEB_CONNECTIONS_REFUSED)
        for reason in declared.CONNECTION_REFUSAL_REASONS:
            self.web_connections_refused.labels(reason)
        self.config_reload_successful = self._gauge(declared.CONFIG_RELOAD_SUCCESSFUL)
        self.config_reload_success = self._gauge(declared.CONFIG_RELOAD_SUCCESS)
        self._certificate_expiry: Gauge | None = None
        build_info = self._gauge(declared.BUILD_INFO)
        build_info.labels(__version__, platform.python_version()).set(1)

    def show_certificate_expiry(self, expiry: float | None) -> None:
        """Expose when the web server's certificate expires; None withdraws the gauge."""
        if self._certificate_expiry is not None:
            self._registry.unregister(self._certificate_expiry)
            self._certificate_expiry = None
        if expiry is not None:
            self._certificate_expiry = self._gauge(declared.WEB_CERTIFICATE_EXPIRY)
            self._certificate_expiry.set(expiry)

    def register_account(self, account: str) -> None:
        """Begin the account's series at zero where a first increase must not be missed."""
        for reason in ("rate_limited", "budget"):
            self.api_paused.labels(account, reason)
        for reason in ("limit", "min_level"):
            self.users_withheld.labels(account, reason).set(0)
        for resource in ("summary", "users", "behaviors", "integrations"):
            self.polls.labels(account, resource)
            for reason in declared.FAILURE_REASONS:
                self.poll_failures.labels(account, resource, reason)
        for operation in _POLLED:
            self.answer_rows.labels(account, operation)
            self.unreadable_rows.labels(account, operation)
        for reason in declared.PENDING_REASONS:
            self.pending_users.labels(account, reason)
        self.departures_frozen.labels(account)
        self.detection_delay.labels(account)

    def forget_oldest_pending(self, account: str) -> None:
        """Show no instant while nobody waits: any would be wrong."""
        self.oldest_pending.remove(account)

    def note_token(self, account: str, token: str) -> None:
        """Show the fingerprint of the token an account is polled with, in place of an earlier one.

        A token that no account uses any more loses its series.
        """
        before = self._tokens.get(account)
        if before != token:
            self._forget_token(account)
            self._tokens[account] = token
            self.account_token_info.labels(account, token).set(1)

    def _forget_token(self, account: str) -> None:
        token = self._tokens.pop(account, None)
        self.account_token_info.remove_by_labels({"account": account})
        if token is not None and token not in self._tokens.values():
            for gauge in (self.api_quota_limit, self.api_quota_remaining, self.api_quota_reset):
                gauge.remove_by_labels({"token": token})

    def forget_account(self, account: str) -> None:
        """Show nothing of an account that is not polled any more."""
        self._forget_token(account)
        for metric in self._of_accounts:
            metric.remove_by_labels({"account": account})

    def render(self, *, openmetrics: bool, names: frozenset[str] | None = None) -> bytes:
        """All of it in one of the two text formats, OpenMetrics' end mark left out.

        Of the families those alone that are called by one of `names` or have samples that are,
        each whole; None leaves all.
        """
        registry: Collector = self._registry
        if names is not None:
            registry = _Chosen(registry, names)
        # The library knows only one switch for all registries and both formats. Its functions are
        # untyped, the two of the switch and the one for OpenMetrics.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        if not openmetrics:
            return generate_latest(registry)
        if self.created_shown:
            enable_created_metrics()  # type: ignore[no-untyped-call]
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text.removesuffix(_END_OF_OPENMETRICS)

    def render_whole(self, *, beside_bytes: int) -> bytes:
        """Return everything as OpenMetrics, in which `exposition_bytes` includes this very text.

        `beside_bytes` is what else a whole scrape sends. The end mark is left out, as in `render`.
        """
        text = self.render(openmetrics=True)
        begin = text.index(_EXPOSITION_BYTES) + len(_EXPOSITION_BYTES)
        head, tail = text[:begin], text[text.index(b"\n", begin) :]
        size = rest = beside_bytes + len(head) + len(tail)
        while size != rest + len(str(size)):  # The number's own digits belong to the size.
            size = rest + len(str(size))
        self.exposition_bytes.set(size)
        return head + str(size).encode() + tail

    def _gauge(self, metric: Metric) -> Gauge:
        _expect(metric, MetricType.GAUGE)
        gauge = Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
        return self._kept(metric, gauge)

    def _counter(self, metric: Metric) -> Counter:
        _expect(metric, MetricType.COUNTER)
        counter = Counter(metric.name, metric.help, metric.labels, registry=self._registry)
        return self._kept(metric, counter)

    def _histogram(self, metric: Metric) -> Histogram:
        _expect(metric, MetricType.HISTOGRAM)
        histogram = Histogram(
            metric.name,
            metric.help,
            metric.labels,
            registry=self._registry,
            buckets=metric.buckets,
        )
        return self._kept(metric, histogram)

    def _kept(self, metric: Metric, kept: M) -> M:
        if "account" in metric.labels:
            self._of_accounts.append(kept)
        return kept


class _Chosen(Collector):
    """The families of another collector that go by one of some names, each whole.

    The library's own restricted registry leaves out the samples nobody named.
    """

    def __init__(self, collector: Collector, names: frozenset[str]) -> None:
        self._collector = collector
        self._names = names

    def collect(self) -> Iterator[ClientFamily]:
        """Collect everything, and give what was chosen."""
        for family in self._collector.collect():
            if not self._names.isdisjoint(_names(family)):
                yield family


def _names(family: ClientFamily) -> Iterator[str]:
    """What the family and its samples are called."""
    yield family.name
    for suffix in _SAMPLE_SUFFIXES.get(family.type, ()):
        yield family.name + suffix


def _expect(metric: Metric, metric_type: MetricType) -> None:
    if metric.type is not metric_type:
        raise TypeError(f"{metric.name} is declared as a {metric.type.value}")
