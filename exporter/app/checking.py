"""Checks whether an exporter with given settings would work. Changes nothing."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import ceil, floor

from exporter.app.accounts import build_disclosure, polls_per_second, token_source
from exporter.app.file_checks import configuration_finding, file_findings
from exporter.app.probe import Finding, Probe, Verdict, probe_account
from exporter.catalogue import USER_FAMILIES, account_families
from exporter.clock import Clock
from exporter.cloudflare.wire import QuotaPolicy
from exporter.cloudflare.wire.requests import Operation
from exporter.errors import ConfigurationError
from exporter.polling.queues import YOUNG_PART
from exporter.polling.quota import DEFAULT_POLICY, RELAXED_SHARE
from exporter.risk.model import (
    LISTED_LEVELS,
    AccountGauges,
    AccountSnapshot,
    EventCount,
    Identity,
    RiskLevel,
    UserRow,
    UserSummary,
)
from exporter.risk.projection import Disclosure
from exporter.settings import Settings

__all__ = ["Finding", "Verdict", "check", "configuration_finding"]


async def check(settings: Settings, *, clock: Clock) -> Sequence[Finding]:
    """Read each resource of each account once and examine the files. Failures become findings."""
    async with asyncio.TaskGroup() as tasks:
        probing = [
            tasks.create_task(probe_account(settings, account, clock=clock))
            for account in settings.accounts
        ]
    probes = [task.result() for task in probing]
    disclosure = build_disclosure(settings, b"")
    predicted = (series_finding(probe, disclosure) for probe in probes)
    return (
        *(finding for probe in probes for finding in probe.findings),
        *(budget_finding(sharing, settings) for sharing in _by_token(probes)),
        *(finding for finding in predicted if finding is not None),
        *file_findings(settings),
    )


def _by_token(probes: Sequence[Probe]) -> Sequence[Sequence[Probe]]:
    """Group the probes by token, because accounts with the same token share its quota.

    Accounts whose token cannot be read are left out.
    """
    sharing: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        with suppress(ConfigurationError):
            sharing[token_source(probe.account).current()].append(probe)
    return tuple(sharing.values())


def budget_finding(probes: Sequence[Probe], settings: Settings) -> Finding:
    """Compare the requests that the accounts of one token need with their share of the quota.

    The need is the number of requests in one window of the quota while no user changes. Each
    change takes one more request. Refreshes of old details are spread evenly.
    """
    policy = _narrowest(probes)
    window = policy.window_seconds
    polls = ceil(sum(_polls_per_second(probe, settings) for probe in probes) * window)
    users = sum(len(probe.users or ()) for probe in probes)
    refreshes = ceil(users / (settings.detail_max_age * (1 - YOUNG_PART)) * window)
    available = max(floor(policy.limit * settings.api_share), 1)
    spare = floor((available - min(polls, available // 2)) * RELAXED_SHARE)
    advice = ""
    if polls > available:
        advice = "; not enough for the polls: lengthen the intervals or raise api_share"
    elif refreshes > spare:
        advice = "; not enough for the refreshes: lengthen detail_max_age or raise api_share"
    return Finding(
        "budget",
        Verdict.WRONG if advice else Verdict.OK,
        f"needed in {window:g} s: {polls} requests for polls and {refreshes} to refresh details; "
        f"available: {available} of {policy.limit}{_unknown(probes)}{advice}",
        account=", ".join(probe.account.name for probe in probes),
        values={
            "window_seconds": window,
            "polls": polls,
            "refreshes": refreshes,
            "available": available,
            "limit": policy.limit,
        },
    )


def _polls_per_second(probe: Probe, settings: Settings) -> float:
    """Return the rate of poll requests. Each page of a summary is a request of its own."""
    pages = sum(one.operation == Operation.LIST_SUMMARY for one in probe.exchanges)
    return polls_per_second(settings, summary_pages=max(pages, 1))


def _narrowest(probes: Iterable[Probe]) -> QuotaPolicy:
    """Return the policy with the lowest rate, or the documented one if no answer stated any."""
    stated = (
        policy
        for probe in probes
        for exchange in probe.exchanges
        if exchange.quota is not None
        for policy in exchange.quota.policies
        if policy.limit > 0 and policy.window_seconds > 0
    )
    return min(stated, key=lambda one: one.limit / one.window_seconds, default=DEFAULT_POLICY)


def _unknown(probes: Iterable[Probe]) -> str:
    names = ", ".join(probe.account.name for probe in probes if probe.users is None)
    return f" (without the users of {names}, which could not be read)" if names else ""


def series_finding(probe: Probe, disclosure: Disclosure) -> Finding | None:
    """Predict the number of series of the account, or return None if its users are not known.

    The behaviors of a user's events are not known, so each event counts as one of another
    behavior. There are fewer series at first, and more after a long history.
    """
    if probe.users is None:
        return None
    by_level = Counter(user.level for user in probe.users)
    shown = _shown(probe.users, disclosure)
    kinds = [(one.key, level) for one in probe.behaviors or () for level in LISTED_LEVELS]
    of_account = _account_series(probe, by_level, kinds)
    of_users = sum(_user_series(user, kinds, disclosure) for user in shown)
    levels = ", ".join(f"{level.label} {count}" for level, count in sorted(by_level.items()))
    return Finding(
        "series",
        Verdict.OK,
        f"about {of_account + of_users}: {of_account} for the account, and up to {of_users} for "
        f"{len(shown)} of its {len(probe.users)} users ({levels or 'no user is listed'})",
        account=probe.account.name,
        values={
            "account_series": of_account,
            "user_series": of_users,
            "users_shown": len(shown),
            **{f"users_{level.label}": count for level, count in sorted(by_level.items())},
        },
    )


def _shown(users: Sequence[UserSummary], disclosure: Disclosure) -> Sequence[UserSummary]:
    admitted = [user for user in users if disclosure.admits(user.level)]
    admitted.sort(key=lambda user: (-user.level.severity, -user.last_event))
    return admitted[: disclosure.limit]


def _account_series(
    probe: Probe, by_level: Counter[RiskLevel], kinds: Sequence[tuple[str, RiskLevel]]
) -> int:
    snapshot = AccountSnapshot(
        account=probe.account.name,
        account_id=probe.account.account_id,
        up=True,
        gauges=AccountGauges(by_level, probe.behaviors or (), probe.integrations or ()),
        events=_counts(kinds),
    )
    return sum(len(family.samples) for family in account_families(snapshot))


def _user_series(
    user: UserSummary, kinds: Sequence[tuple[str, RiskLevel]], disclosure: Disclosure
) -> int:
    row = UserRow(
        user_id=user.user_id,
        email="",
        name="",
        level=user.level,
        current_events=user.event_count,
        last_event=user.last_event,
        last_reset=0.0,
        events=_counts(kinds[: user.event_count]),
    )
    return sum(
        len(family.samples(row))
        for family in USER_FAMILIES
        if disclosure.identity is Identity.FULL or not family.is_identity
    )


def _counts(kinds: Sequence[tuple[str, RiskLevel]]) -> tuple[EventCount, ...]:
    return tuple(EventCount(key, level, 0, 0.0) for key, level in kinds)
