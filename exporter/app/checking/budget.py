"""Whether the share of the quota is enough for the intervals that were chosen. Pure."""

from collections.abc import Iterable, Sequence
from math import ceil, floor

from exporter.app.checking.findings import Finding, Verdict
from exporter.app.checking.probe import Probe
from exporter.cloudflare.wire import QuotaPolicy
from exporter.cloudflare.wire.requests import Operation
from exporter.polling.queues import YOUNG_PART
from exporter.polling.quota import DEFAULT_POLICY, RELAXED_SHARE
from exporter.settings import Settings


def budget_finding(probes: Sequence[Probe], settings: Settings) -> Finding:
    """Compare what the accounts of one token need with what may be spent for them.

    Needs are requests in a window while nobody changes: each change is one more. Refreshing
    details for their age counts as evenly spread, as it is.
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
        advice = "; too little for the polls: lengthen the intervals or raise api_share"
    elif refreshes > spare:
        advice = "; too little for the refreshes: lengthen detail_max_age or raise api_share"
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
    """A summary of several pages is as many requests each time."""
    pages = sum(one.operation == Operation.LIST_SUMMARY for one in probe.exchanges)
    return max(pages, 1) / settings.poll_interval + 2 / settings.config_interval


def _narrowest(probes: Iterable[Probe]) -> QuotaPolicy:
    """The policy that allows least in the long run, or the documented one where none was told."""
    told = (
        policy
        for probe in probes
        for exchange in probe.exchanges
        if exchange.quota is not None
        for policy in exchange.quota.policies
        if policy.limit > 0 and policy.window_seconds > 0
    )
    return min(told, key=lambda one: one.limit / one.window_seconds, default=DEFAULT_POLICY)


def _unknown(probes: Iterable[Probe]) -> str:
    names = ", ".join(probe.account.name for probe in probes if probe.users is None)
    return f" (without the users of {names}, who could not be read)" if names else ""
