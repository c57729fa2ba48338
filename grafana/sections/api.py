"""API: what is asked of Cloudflare, how fast it answers, and how much may still be asked."""

from typing import Final

from grafana_foundation_sdk.builders import stat, timeseries

from exporter.catalogue import Metric
from exporter.catalogue.telemetry import (
    ACCOUNT_TOKEN_INFO,
    ANSWER_ROWS,
    API_PAUSED,
    API_QUOTA_LIMIT,
    API_QUOTA_REMAINING,
    API_QUOTA_RESET,
    API_REQUEST_DURATION,
    API_REQUESTS,
    DEPARTURES_FROZEN,
    UNREADABLE_ROWS,
)
from grafana.board import Section
from grafana.palette import GOLD, RED, thresholds
from grafana.panels import COUNT, Query, counts, lines, number, steps
from grafana.queries import RATE, growth, now, quantile, series

_UNREPORTED: Final = "not reported"
_ANSWERED_WELL: Final = 'code=~"2.."'


def _of_tokens(gauge: Metric) -> str:
    """Select a gauge of the tokens that the chosen accounts use."""
    return f"({now(gauge)} and on (token) {now(ACCOUNT_TOKEN_INFO)})"


def _left() -> stat.Panel:
    panel = number(
        "Quota left",
        "The part of the token's quota that is left in this window, as the API last said, of the"
        " token with least. People's dashboards and other tools spend the same quota.",
        f"min({_of_tokens(API_QUOTA_REMAINING)} / {now(API_QUOTA_LIMIT)})",
        unit="percentunit",
        span=6,
    )
    # Below half, the exporter's default share is affected; below a tenth, a 429 is near.
    marks = thresholds(RED, (0.1, GOLD), (0.5, "text"))
    return panel.decimals(0).no_value(_UNREPORTED).thresholds(marks)


def _window() -> stat.Panel:
    return (
        number(
            "Window ends in",
            "Time until the quota is whole again, as the API last said; 0 when that is past.",
            f"clamp_min(max({_of_tokens(API_QUOTA_RESET)}) - time(), 0)",
            unit="s",
            span=6,
        )
        .no_value(_UNREPORTED)
        .decimals(0)
    )


def _paused_share() -> stat.Panel:
    return (
        number(
            "Time paused",
            "The part of the last ten minutes in which requests were held back for any reason, for the"
            " account with the most.",
            f"max(sum by (account) (rate({series(API_PAUSED)}[10m])))",
            unit="percentunit",
            span=6,
        )
        .thresholds(thresholds("text", (0.1, GOLD), (0.5, RED)))
        .decimals(0)
    )


def _errors_share() -> stat.Panel:
    answers = f"sum(rate({series(API_REQUESTS)}[10m]))"
    good = f"sum(rate({series(API_REQUESTS, _ANSWERED_WELL)}[10m]))"
    return (
        number(
            "Requests failing",
            "The part of the requests of the last ten minutes without a successful response.",
            f"1 - {good} / {answers}",
            unit="percentunit",
            span=6,
        )
        .thresholds(thresholds("text", (0.05, GOLD), (0.5, RED)))
        .decimals(1)
    )


def _quota() -> timeseries.Panel:
    return lines(
        "Quota",
        "Requests left in the window and the limit of one window, as the API last said. The line"
        " falls with everything that spends the token's quota, and jumps up with a new window.",
        Query(_of_tokens(API_QUOTA_REMAINING), "token {{token}} left"),
        Query(_of_tokens(API_QUOTA_LIMIT), "token {{token}} limit"),
        unit=COUNT,
    ).decimals(0)


def _requests() -> timeseries.Panel:
    return counts(
        "Requests by operation and answer",
        "Requests sent to the API per interval, by operation and HTTP status, or the reason why"
        " no answer came; and the rows of successful responses that could not be read.",
        Query(growth(API_REQUESTS, window=RATE, by="operation, code"), "{{operation}} {{code}}"),
        Query(growth(UNREADABLE_ROWS, window=RATE, by="operation"), "{{operation}} rows skipped"),
    )


def _durations() -> timeseries.Panel:
    return lines(
        "Duration of requests, 95th percentile",
        "95th percentile of the duration of requests in the last ten minutes, including the body of the"
        " response.",
        Query(quantile(0.95, API_REQUEST_DURATION, by="operation"), "{{operation}}"),
        unit="s",
    )


def _paused() -> timeseries.Panel:
    return lines(
        "Time paused by reason",
        "The part of the time in which requests were held back: rate_limited because the API"
        " answered 429, budget to stay within the exporter's share.",
        Query(
            f"sum by (account, reason) (rate({series(API_PAUSED)}[{RATE}]))",
            "{{account}} {{reason}}",
        ),
        unit="percentunit",
    ).max(1)


def _unreadable() -> timeseries.Panel:
    unreadable = f"sum by (account, operation) (increase({series(UNREADABLE_ROWS)}[1h]))"
    all_rows = f"sum by (account, operation) (increase({series(ANSWER_ROWS)}[1h]))"
    return lines(
        "Unreadable rows",
        "The part of the rows of the last hour's answers that could not be read. Above a tenth,"
        " counts of users or events are too low; where it is all of them, the poll fails.",
        Query(f"{unreadable} / {all_rows}", "{{account}} {{operation}}"),
        unit="percentunit",
    )


def _frozen() -> timeseries.Panel:
    return (
        steps(
            "Departures frozen",
            "1 while the summary has rows without a readable user id: users who left stay listed,"
            " and counts of users are too high.",
            Query(now(DEPARTURES_FROZEN), "{{account}}"),
            unit="none",
        )
        .decimals(0)
        .axis_soft_max(1)
    )


API: Final = Section(
    "Cloudflare API",
    (
        _left(),
        _window(),
        _paused_share(),
        _errors_share(),
        _quota(),
        _requests(),
        _durations(),
        _paused(),
        _unreadable(),
        _frozen(),
    ),
)
