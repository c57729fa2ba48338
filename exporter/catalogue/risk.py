"""The risk metrics: what a scrape exposes about an account and its users."""

from typing import Final

from exporter.catalogue.metric import PREFIX, Metric, MetricType

_AS_OF = "As of the last successful poll."


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(
        PREFIX + name, MetricType.GAUGE, f"{help_text} {_AS_OF}", labels=("account", *labels)
    )


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(PREFIX + name, MetricType.COUNTER, help_text, labels=("account", *labels))


UP: Final = Metric(
    PREFIX + "up",
    MetricType.GAUGE,
    "Whether the last poll of the account's risk summary succeeded and its data are exposed:"
    " 1 yes, 0 no. The exporter polls Cloudflare on its own timer, not at the scrape.",
    labels=("account",),
)
ACCOUNT_INFO: Final = Metric(
    PREFIX + "account_info",
    MetricType.GAUGE,
    "Always 1. The id of the Cloudflare account that the account label names, from the configuration.",
    labels=("account", "account_id"),
)
USERS: Final = _gauge(
    "users",
    "Users with a risk level, by level: rows of the risk summary by their max_risk_level; unknown"
    " is any level this version does not know.",
    "risk_level",
)
EVENTS: Final = _counter(
    "events_total",
    "Risk events seen, each counted once: entries of the users' events since the account's first"
    " poll, by behavior and level.",
    "behavior",
    "risk_level",
)
LEVEL_CHANGES: Final = _counter(
    "level_changes_total",
    "Changes of a user's risk level between two polls of the risk summary; a user who is not"
    " listed has the level none.",
    "from",
    "to",
)
RESETS: Final = _counter(
    "resets_total",
    "Resets of risk scores: how often a user's last_reset_time became later.",
)
USER_INFO: Final = _gauge(
    "user_info",
    "Always 1. Email and name of a user, from the risk summary.",
    "user_id",
    "email",
    "name",
)
USER_LEVEL: Final = _gauge(
    "user_level",
    "Risk level of a user, max_risk_level of the risk summary: 1 low, 2 medium, 3 high,"
    " 4 a level this version does not know, which may be worse than high.",
    "user_id",
)
USER_CURRENT_EVENTS: Final = _gauge(
    "user_current_events",
    "Risk events the API holds of a user now, event_count of the risk summary; can fall.",
    "user_id",
)
USER_EVENTS: Final = _counter(
    "user_events_total",
    "Risk events seen of a user, each counted once: entries of the user's events since the"
    " account's first poll, by behavior and level. A new counter is 0 until a whole scrape has"
    " carried it, or for two minutes, so that increase() finds its first events.",
    "user_id",
    "behavior",
    "risk_level",
)
USER_LAST_EVENT: Final = _gauge(
    "user_last_event_timestamp_seconds",
    "When a user's latest risk event happened, last_event of the risk summary, in Unix seconds.",
    "user_id",
)
USER_LAST_RESET: Final = _gauge(
    "user_last_reset_timestamp_seconds",
    "When a user's risk score was last cleared, last_reset_time of the user's details, in Unix"
    " seconds; absent if it never was, or is not known yet.",
    "user_id",
)
BEHAVIOR_INFO: Final = _gauge(
    "behavior_info",
    "Always 1. Name and description of a behavior, from the behaviors resource.",
    "behavior",
    "name",
    "description",
)
BEHAVIOR_ENABLED: Final = _gauge(
    "behavior_enabled",
    "Whether a behavior raises risk levels, enabled of the behaviors resource: 1 yes, 0 no.",
    "behavior",
)
BEHAVIOR_LEVEL: Final = _gauge(
    "behavior_level",
    "Risk level a behavior gives, risk_level of the behaviors resource: 1 low, 2 medium, 3 high,"
    " 4 a level this version does not know, which may be worse than high.",
    "behavior",
)
INTEGRATION_INFO: Final = _gauge(
    "integration_info",
    "Always 1. Type, tenant URL and reference id of an integration that receives risk levels, from"
    " the integrations resource.",
    "integration_id",
    "integration_type",
    "tenant_url",
    "reference_id",
)
INTEGRATION_ACTIVE: Final = _gauge(
    "integration_active",
    "Whether risk levels are sent to an integration, active of the integrations resource: 1 yes, 0 no.",
    "integration_id",
)
INTEGRATION_CREATED: Final = _gauge(
    "integration_created_timestamp_seconds",
    "When an integration was created, created_at of the integrations resource, in Unix seconds.",
    "integration_id",
)

RISK_METRICS: Final = (
    UP,
    ACCOUNT_INFO,
    USERS,
    EVENTS,
    LEVEL_CHANGES,
    RESETS,
    USER_INFO,
    USER_LEVEL,
    USER_CURRENT_EVENTS,
    USER_EVENTS,
    USER_LAST_EVENT,
    USER_LAST_RESET,
    BEHAVIOR_INFO,
    BEHAVIOR_ENABLED,
    BEHAVIOR_LEVEL,
    INTEGRATION_INFO,
    INTEGRATION_ACTIVE,
    INTEGRATION_CREATED,
)
"""In the order they are exposed and documented."""
