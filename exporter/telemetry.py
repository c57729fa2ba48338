"""The exporter's metrics about itself: their values, and their text for a scrape.

The catalogue declares them. prometheus-client collects the metrics of the process and of Python.
"""

import platform
import time
from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from prometheus_client import PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.catalogue import Metric, MetricType
from exporter.catalogue import telemetry as declared
from exporter.cloudflare.wire import Operation
from exporter.metrics import (
    Clock,
    Counter,
    Gauge,
    Histogram,
    names_of,
    render_collected,
)

M = TypeVar("M", Gauge, Counter, Histogram)

_POLLED = (
    Operation.LIST_SUMMARY,
    Operation.GET_USER,
    Operation.GET_BEHAVIORS,
    Operation.LIST_INTEGRATIONS,
)


class Telemetry:
    """The metrics of the exporter itself, one attribute each.

    A series with labels exists from its first use on; `register_account` creates those that have
    to be exposed at zero. `created_shown` says whether OpenMetrics has `_created` samples. `clock`
    returns the time in Unix seconds.
    """

    def __init__(self, *, clock: Clock = time.time) -> None:
        self.created_shown = True
        self._clock = clock
        self._tokens: dict[str, str] = {}
        self._families: list[Gauge | Counter | Histogram] = []
        self._process = ProcessCollector(registry=None)
        self._python = PlatformCollector(registry=None)
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
            self._families.remove(self._certificate_expiry)
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
        """Remove the series of the oldest pending user, because no user is pending."""
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
        self.account_token_info.remove_matching("account", account)
        if token is not None and token not in self._tokens.values():
            for gauge in (self.api_quota_limit, self.api_quota_remaining, self.api_quota_reset):
                gauge.remove(token)

    def forget_account(self, account: str) -> None:
        """Show nothing of an account that is not polled any more."""
        self._forget_token(account)
        for family in self._families:
            if "account" in family.metric.labels:
                family.remove_matching("account", account)

    def render(self, *, openmetrics: bool, names: frozenset[str] | None = None) -> bytes:
        """Return the metrics in one of the two text formats, without OpenMetrics' end mark.

        `names` selects the families that have one of these names or a sample of one, each whole;
        None selects all.
        """
        texts = [*self._render_collected(openmetrics=openmetrics, names=names)]
        texts += [
            self._render(family, openmetrics=openmetrics)
            for family in self._families
            if names is None or not family.names.isdisjoint(names)
        ]
        return b"".join(texts)

    def render_whole(self, *, beside_bytes: int) -> bytes:
        """Return everything as OpenMetrics, in which `exposition_bytes` includes this very text.

        `beside_bytes` is what else a whole scrape sends. The end mark is left out, as in `render`.
        """
        texts = [*self._render_collected(openmetrics=True, names=None)]
        place = len(texts) + self._families.index(self.exposition_bytes)
        texts += [self._render(family, openmetrics=True) for family in self._families]
        texts[place] = texts[place].rpartition(b" ")[0] + b" \n"
        size = rest = beside_bytes + sum(map(len, texts))
        while size != rest + len(str(size)):  # The digits of the size are part of the size.
            size = rest + len(str(size))
        self.exposition_bytes.set(size)
        texts[place] = b"%b%d\n" % (texts[place][:-1], size)
        return b"".join(texts)

    def _render(self, family: Gauge | Counter | Histogram, *, openmetrics: bool) -> bytes:
        created_shown = openmetrics and self.created_shown
        return family.render(openmetrics=openmetrics, created_shown=created_shown)

    def _render_collected(
        self, *, openmetrics: bool, names: frozenset[str] | None
    ) -> Iterator[bytes]:
        """Yield the families of the process and of Python, collected now."""
        for family in chain(self._process.collect(), self._python.collect()):
            metric_type = MetricType(family.type)
            suffix = "_total" if metric_type is MetricType.COUNTER else ""
            metric = Metric(family.name + suffix, metric_type, family.documentation)
            if names is None or not names_of(metric).isdisjoint(names):
                yield render_collected(metric, family.samples, openmetrics=openmetrics)

    def _gauge(self, metric: Metric) -> Gauge:
        return self._added(Gauge(metric, clock=self._clock))

    def _counter(self, metric: Metric) -> Counter:
        return self._added(Counter(metric, clock=self._clock))

    def _histogram(self, metric: Metric) -> Histogram:
        return self._added(Histogram(metric, clock=self._clock))

    def _added(self, family: M) -> M:
        self._families.append(family)
        return family
