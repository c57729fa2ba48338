"""Provides the web server with the status page, scrapes and readiness. Shows no identity."""

import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from math import isfinite

from exporter import __version__
from exporter.app.runtime import Runtime
from exporter.clock import Clock, to_unix_time
from exporter.errors import Scope
from exporter.exposition import Scrape
from exporter.polling.account import AccountPoller
from exporter.polling.context import AccountContext
from exporter.polling.planner import Planner
from exporter.polling.queues import RefreshReason
from exporter.polling.quota_window import Pause
from exporter.polling.resource import Resource
from exporter.risk.model import RiskLevel
from exporter.status import (
    Access,
    AccountStatus,
    BacklogStatus,
    FailureStatus,
    PauseReason,
    PauseStatus,
    QuotaStatus,
    ResourceName,
    ResourceStatus,
    StatusPage,
)

PERMISSIONS: Mapping[ResourceName, str] = {
    ResourceName.SUMMARY: "Zero Trust: PII Read",
    ResourceName.USERS: "Zero Trust: PII Read",
    ResourceName.BEHAVIORS: "Zero Trust Read",
    ResourceName.INTEGRATIONS: "Zero Trust Read",
}
"""The permission a token needs for each resource, by its name in Cloudflare's API reference."""

LONGEST_PACING_SECONDS = 60.0
"""Waiting up to this long for the share of the quota is no pause: a poll interval by default, and
twice the time over which details are spread in Cloudflare's window of five minutes."""


def status_page(pollers: Iterable[AccountPoller]) -> StatusPage:
    """Return the present content of the status page."""
    return StatusPage(
        version=__version__,
        python_version=platform.python_version(),
        accounts=tuple(_account(poller) for poller in pollers),
    )


def _account(poller: AccountPoller) -> AccountStatus:
    context = poller.context
    return AccountStatus(
        account=poller.account,
        poll_interval=poller.intervals.summary,
        resources=tuple(_resources(poller)),
        users=_users(context),
        backlog=_backlog(context.planner),
        quota=_quota(context),
        pause=pause_status(context),
        is_paced=_is_paced(context),
        departures_frozen=context.state.departures_frozen,
        failures=_failures(poller.resources.values()),
    )


def _resources(poller: AccountPoller) -> Iterator[ResourceStatus]:
    state, clock = poller.context.state, poller.context.clock
    for name, resource in poller.resources.items():
        read_at = state.read_at if name is ResourceName.SUMMARY else None
        known_since = None if read_at is None else to_unix_time(read_at, clock)
        yield _resource(resource, known_since=known_since)


def _resource(resource: Resource, *, known_since: float | None) -> ResourceStatus:
    """Return one resource. `known_since` is its last success if that precedes a reload."""
    history, last = resource.history, resource.last_success_at
    is_failing = history.failing_since is not None
    return ResourceStatus(
        name=resource.name,
        permission=PERMISSIONS[resource.name],
        access=_access(resource),
        last_success=known_since if last is None else last,
        failing_since=history.failing_since,
        reason=history.failures()[0].reason if is_failing else None,
    )


def _access(resource: Resource) -> Access:
    denied = resource.history.denied
    if denied is not None:
        return Access.REFUSED if denied is Scope.TOKEN else Access.FORBIDDEN
    return Access.UNKNOWN if resource.last_success_at is None else Access.PERMITTED


def _users(context: AccountContext) -> Mapping[RiskLevel, int] | None:
    if not context.state.has_fresh_data:
        return None
    return dict(context.writer.ledger.listed_by_level)


def _quota(context: AccountContext) -> QuotaStatus | None:
    state = context.governor.state()
    if state is None:
        return None
    return QuotaStatus(
        state.limit,
        state.remaining,
        to_unix_time(state.resets_at, context.clock),
        token=context.client.token_fingerprint,
    )


def _backlog(planner: Planner) -> BacklogStatus:
    return BacklogStatus(
        changed=planner.pending(RefreshReason.CHANGED),
        oldest=planner.pending_since,
        never_read=planner.pending(RefreshReason.UNREAD),
        refresh=planner.pending(RefreshReason.AGED),
    )


def _is_paced(context: AccountContext) -> bool:
    """Return whether a request waits without a pause that the page shows."""
    return quota_wait(context) is not None and pause_status(context) is None


def pause_status(context: AccountContext) -> PauseStatus | None:
    """Return what holds requests back for a noticeable time, or None.

    Details are spread over the quota's window, so each may wait for some seconds: that is pacing.
    """
    pause = context.governor.pause(context.account)
    if pause is None:
        return None
    seconds = pause.until - context.clock.monotonic()
    if pause.reason is PauseReason.BUDGET and seconds <= LONGEST_PACING_SECONDS:
        return None
    return _pause_status(pause, context.clock)


def quota_wait(context: AccountContext) -> PauseStatus | None:
    """Return what holds back a request of the account right now, however shortly, or None."""
    pause = context.governor.pause(context.account)
    if pause is None or not context.state.waiting_requests:
        return None
    return _pause_status(pause, context.clock)


def _pause_status(pause: Pause, clock: Clock) -> PauseStatus:
    until = to_unix_time(pause.until, clock) if isfinite(pause.until) else None
    return PauseStatus(pause.reason, until)


def _failures(resources: Iterable[Resource]) -> tuple[FailureStatus, ...]:
    found = (failure for resource in resources for failure in resource.history.failures())
    return tuple(sorted(found, key=lambda one: -one.last_at))


def scrape_now(
    runtime: Runtime, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None
) -> Scrape:
    """Join the exposition as it is now with the exporter's own telemetry.

    The sizes it states are those of a whole OpenMetrics scrape, whatever this scrape is.
    """
    exposition, telemetry = runtime.exposition, runtime.telemetry
    runtime.report_rate_limit_pauses()
    telemetry.exposition_series.set(exposition.series)
    text = telemetry.render_whole(beside_bytes=exposition.size_bytes)
    if names is not None or not openmetrics:
        text = telemetry.render(openmetrics=openmetrics, names=names)
    return exposition.scrape(openmetrics=openmetrics, gzip=gzip, names=names, telemetry=text)


class Sources:
    """The sources of the web server's answers. A reload replaces `pollers`."""

    def __init__(self, runtime: Runtime, *, reload: Callable[[], Awaitable[str | None]]) -> None:
        self.pollers: tuple[AccountPoller, ...] = ()
        self._runtime = runtime
        self._reload = reload

    def scrape(self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None) -> Scrape:
        """Join the exposition with the exporter's own telemetry."""
        return scrape_now(self._runtime, openmetrics=openmetrics, gzip=gzip, names=names)

    def healthy(self) -> bool:
        """Return True: a task that fails ends the process, so one that answers is healthy."""
        return True

    def ready(self) -> bool:
        """Return whether the first poll of every account has ended, in success or failure."""
        return all(poller.first_poll_ended.is_set() for poller in self.pollers)

    def status(self) -> StatusPage:
        """Return the present content of the status page."""
        return status_page(self.pollers)

    async def reload(self) -> str | None:
        """Reload the configuration. Return what is wrong with it, or None."""
        return await self._reload()
