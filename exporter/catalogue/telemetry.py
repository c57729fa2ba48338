"""Declarations of the exporter's metrics about itself. `exporter.telemetry` keeps their values."""

from typing import Final

from exporter.catalogue.metric import EXPORTER_PREFIX, Metric, MetricType
from exporter.errors import POLL_ERRORS

REQUEST_DURATION_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds, in factors of about two up to the default timeout of one attempt, so that a slow API and a
stalled one differ."""

DETECTION_DELAY_BUCKETS: Final = (1, 5, 15, 30, 60, 90, 120, 300, 900, 3600, 21600, 86400)
"""Seconds. Fine around the default poll interval of a minute: `le="90"` counts the events that were
exposed within about one interval. Coarse up to a day: it is not known how late the API lists an
event, and a refresh by age finds events that the summary does not show."""

FAILURE_REASONS: Final = tuple(dict.fromkeys(error.reason for error in POLL_ERRORS))
"""Values of the label `reason` of `poll_failures_total`."""

PENDING_REASONS: Final = ("changed", "never_read", "refresh")
"""Values of the label `reason` of `pending_users`."""


CONNECTION_REFUSAL_REASONS: Final = ("limit", "evicted", "timeout")
"""Values of the label `reason` of `web_connections_refused_total`."""


def _metric(name: str, metric_type: MetricType, help_text: str, *labels: str) -> Metric:
    return Metric(EXPORTER_PREFIX + name, metric_type, help_text, labels=labels)


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return _metric(name, MetricType.GAUGE, help_text, *labels)


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return _metric(name, MetricType.COUNTER, help_text, *labels)


BUILD_INFO: Final = _gauge(
    "build_info",
    "Always 1. The versions of the exporter and of the Python that runs it.",
    "version",
    "python_version",
)
RESOURCE_UP: Final = _gauge(
    "resource_up",
    "Whether the last poll of a resource (summary, users, behaviors, integrations) succeeded:"
    " 1 yes, 0 no.",
    "account",
    "resource",
)
LAST_SUCCESS: Final = _gauge(
    "last_success_timestamp_seconds",
    "When a poll of the resource last succeeded, in Unix seconds; absent before the first.",
    "account",
    "resource",
)
POLL_DURATION: Final = _gauge(
    "poll_duration_seconds",
    "How long the last poll of the resource took, successful or not, in seconds.",
    "account",
    "resource",
)
POLL_INTERVAL: Final = _gauge(
    "poll_interval_seconds",
    "How often the resource is polled while polls succeed, from the configuration, in seconds.",
    "account",
    "resource",
)
POLLS: Final = _counter(
    "polls_total",
    "Polls of the resource that were started, failed ones included.",
    "account",
    "resource",
)
POLL_FAILURES: Final = _counter(
    "poll_failures_total",
    f"Polls of the resource that failed, by reason: {', '.join(FAILURE_REASONS)}.",
    "account",
    "resource",
    "reason",
)
API_REQUESTS: Final = _counter(
    "api_requests_total",
    "Requests sent to the Cloudflare API, by operation and HTTP status code. Without a"
    " response the code is the reason: timeout, network, tls, or cancelled at a reload or shutdown.",
    "account",
    "operation",
    "code",
)
API_REQUEST_DURATION: Final = Metric(
    EXPORTER_PREFIX + "api_request_duration_seconds",
    MetricType.HISTOGRAM,
    "How long requests to the Cloudflare API took, the response body included, in seconds.",
    labels=("operation",),
    buckets=REQUEST_DURATION_BUCKETS,
)
ANSWER_ROWS: Final = _counter(
    "answer_rows_total",
    "Rows of successful responses of the Cloudflare API, by operation: users of the summary, events,"
    " behaviors or integrations. Unreadable rows are included; each response counts its rows again.",
    "account",
    "operation",
)
UNREADABLE_ROWS: Final = _counter(
    "unreadable_rows_total",
    "Rows of successful responses of the Cloudflare API that could not be read and were left out, by"
    " operation. Each response counts its rows again. A response whose rows are all unreadable is a"
    " failed poll.",
    "account",
    "operation",
)
ACCOUNT_TOKEN_INFO: Final = _gauge(
    "account_token_info",
    "1 for the token each account is polled with. token is a short fingerprint that is the same in"
    " every process and cannot be turned back; accounts with the same fingerprint share one quota.",
    "account",
    "token",
)
API_QUOTA_LIMIT: Final = _gauge(
    "api_quota_limit",
    "Requests that the API allows the token in one window, from the Ratelimit-Policy header; absent"
    " until the API has sent it.",
    "token",
)
API_QUOTA_REMAINING: Final = _gauge(
    "api_quota_remaining",
    "Requests that the token has left in the window, from the last Ratelimit header.",
    "token",
)
API_QUOTA_RESET: Final = _gauge(
    "api_quota_reset_timestamp_seconds",
    "When the window of the token's quota ends, from the last Ratelimit header, in Unix seconds.",
    "token",
)
API_PAUSED: Final = _counter(
    "api_paused_seconds_total",
    "Seconds in which requests were held back: rate_limited, every second in which the API has"
    " refused the account's token by a 429, whether or not a request waits; budget, while a request"
    " waits to stay within the exporter's share of the quota.",
    "account",
    "reason",
)
PENDING_USERS: Final = _gauge(
    "pending_users",
    "Users whose details are to be fetched, by reason: changed, the summary row changed since they"
    " were last fetched; never_read, they were never fetched; refresh, they are old. Each user counts"
    " for the first reason that applies.",
    "account",
    "reason",
)
OLDEST_PENDING: Final = _gauge(
    "oldest_pending_timestamp_seconds",
    "When the longest waiting of the changed users began to wait for their details to be fetched, in"
    " Unix seconds; absent if no changed user waits.",
    "account",
)
DETECTION_DELAY: Final = Metric(
    EXPORTER_PREFIX + "detection_delay_seconds",
    MetricType.HISTOGRAM,
    "Time from a risk event's timestamp until it is exposed, in seconds; events of the account's"
    " first poll are left out.",
    labels=("account",),
    buckets=DETECTION_DELAY_BUCKETS,
)
USERS_WITHHELD: Final = _gauge(
    "users_withheld",
    "Listed users without series of their own, by reason: limit, there are too many users;"
    " min_level, their level is below the configured one. Aggregates include them.",
    "account",
    "reason",
)
DEPARTURES_FROZEN: Final = _gauge(
    "departures_frozen",
    "Whether the last three summaries or more each had a row without a readable user id: 1 yes, 0"
    " no. Users who left stay listed in that case, because the row could be theirs.",
    "account",
)
STATE_COMMIT_FAILURES: Final = _counter(
    "state_commit_failures_total",
    "Transactions that did not reach the state file; their changes are kept and retried.",
)
STATE_COMMIT_DURATION: Final = _gauge(
    "state_commit_duration_seconds",
    "How long the last transaction to the state file took, in seconds.",
)
STATE_SIZE: Final = _gauge(
    "state_size_bytes",
    "Size of the state on disk, in bytes.",
)
EXPOSITION_SERIES: Final = _gauge(
    "exposition_series",
    "Risk series in a whole scrape as OpenMetrics, _created series included and the exporter's own"
    " telemetry left out.",
)
EXPOSITION_BYTES: Final = _gauge(
    "exposition_bytes",
    "Size of a whole scrape as OpenMetrics before compression, the exporter's own telemetry"
    " included, in bytes; Prometheus compares this size with body_size_limit.",
)
WEB_CONNECTIONS_REFUSED: Final = _counter(
    "web_connections_refused_total",
    "Connections that the exporter's web server closed on its own, by reason: limit, a new one while"
    " all others were busy; evicted, an idle one that made room for a new one; timeout, no complete"
    " request within 10 s.",
    "reason",
)
CONFIG_RELOAD_SUCCESSFUL: Final = _gauge(
    "config_last_reload_successful",
    "Whether the configuration was last read successfully: 1 yes, 0 no.",
)
CONFIG_RELOAD_SUCCESS: Final = _gauge(
    "config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, in Unix seconds.",
)
WEB_CERTIFICATE_EXPIRY: Final = _gauge(
    "web_certificate_expiry_timestamp_seconds",
    "When the certificate that the web server presents expires, in Unix seconds; only with TLS.",
)

EXPORTER_METRICS: Final = (
    BUILD_INFO,
    RESOURCE_UP,
    LAST_SUCCESS,
    POLL_DURATION,
    POLL_INTERVAL,
    POLLS,
    POLL_FAILURES,
    API_REQUESTS,
    API_REQUEST_DURATION,
    ANSWER_ROWS,
    UNREADABLE_ROWS,
    ACCOUNT_TOKEN_INFO,
    API_QUOTA_LIMIT,
    API_QUOTA_REMAINING,
    API_QUOTA_RESET,
    API_PAUSED,
    PENDING_USERS,
    OLDEST_PENDING,
    DETECTION_DELAY,
    USERS_WITHHELD,
    DEPARTURES_FROZEN,
    STATE_COMMIT_FAILURES,
    STATE_COMMIT_DURATION,
    STATE_SIZE,
    EXPOSITION_SERIES,
    EXPOSITION_BYTES,
    WEB_CONNECTIONS_REFUSED,
    CONFIG_RELOAD_SUCCESSFUL,
    CONFIG_RELOAD_SUCCESS,
    WEB_CERTIFICATE_EXPIRY,
)
"""In the order they are documented."""
