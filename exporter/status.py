"""The state of the exporter as people see it: filled in from the pollers, shown on the status page.

Nothing here identifies a user. Instants are Unix timestamps in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from exporter.risk.model import RiskLevel

LATE_INTERVALS = 3
"""A summary older than this many poll intervals is overdue, even if no poll has failed."""


class ResourceName(StrEnum):
    """The polled resources of an account; the values of the label `resource`."""

    SUMMARY = "summary"
    USERS = "users"
    BEHAVIORS = "behaviors"
    INTEGRATIONS = "integrations"


class PauseReason(IntEnum):
    """Why requests are paused: the API rejected one with 429, or the quota budget is used up."""

    RATE_LIMITED = 0
    BUDGET = 1

    @property
    def label(self) -> str:
        """Return the value of the label `reason` of `api_paused_seconds_total`."""
        return self.name.lower()


class Access(StrEnum):
    """Whether the API accepts the token for a resource, as of its last response."""

    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"
    REFUSED = "token rejected"
    UNKNOWN = "not known yet"


class Condition(Enum):
    """How current the exported data of an account are, worst first."""

    EMPTY = "no data"
    STALE = "out of date"
    PARTIAL = "partly failing"
    WAITING = "not polled yet"
    FRESH = "up to date"


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource of an account.

    `permission` is Cloudflare's name of the permission that a token needs. `failing_since` and
    `reason` describe the current run of failures; both are None if the last poll succeeded.
    """

    name: ResourceName
    permission: str
    access: Access = Access.UNKNOWN
    last_success: float | None = None
    failing_since: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FailureStatus:
    """The failures of one resource for one reason.

    `message` is that of the latest, without anything that may identify a user.
    """

    resource: ResourceName
    reason: str
    message: str
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The quota of a token as of the API's last response; `token` is the token's fingerprint."""

    limit: int
    remaining: int
    resets_at: float
    token: str = ""


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """A pause of all requests.

    `until` is None if requests resume with the API's next response.
    """

    reason: PauseReason
    until: float | None = None


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """Numbers of users whose details are to be fetched, each user counted under one reason.

    `changed`: the user's summary row differs from that of the last fetch, for the longest waiting
    user since `oldest` (None if there is none). `never_read`: no details were fetched so far.
    `refresh`: the details are older than the maximum age.
    """

    changed: int = 0
    oldest: float | None = None
    never_read: int = 0
    refresh: int = 0

    @property
    def users(self) -> int:
        """Return the number of users under any reason."""
        return self.changed + self.never_read + self.refresh


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account.

    `poll_interval` is that of the summary, in seconds. `users` is the number of users of each
    level, or None if no current data exist. `is_paced`: requests wait for seconds at a time, so
    that they spread over the quota's window. `departures_frozen`: users who have left stay listed,
    because rows of the summary have no readable user id. `failures` are sorted, latest first.
    """

    account: str
    poll_interval: float
    resources: tuple[ResourceStatus, ...]
    users: Mapping[RiskLevel, int] | None = None
    backlog: BacklogStatus = BacklogStatus()
    quota: QuotaStatus | None = None
    pause: PauseStatus | None = None
    is_paced: bool = False
    departures_frozen: bool = False
    failures: tuple[FailureStatus, ...] = ()

    @property
    def summary(self) -> ResourceStatus:
        """Return the summary resource."""
        return next(
            resource for resource in self.resources if resource.name is ResourceName.SUMMARY
        )

    def condition(self, now: float) -> Condition:
        """Return how current the account's data are at the instant `now`."""
        summary = self.summary
        if summary.last_success is None and summary.failing_since is None:
            return Condition.WAITING
        if self.users is None:
            return Condition.EMPTY
        if summary.failing_since is not None or self.is_late(now):
            return Condition.STALE
        is_failing = any(resource.failing_since is not None for resource in self.resources)
        return Condition.PARTIAL if is_failing else Condition.FRESH

    def is_late(self, now: float) -> bool:
        """Return whether the next successful summary is overdue, by several poll intervals."""
        last = self.summary.last_success
        return last is not None and now - last > LATE_INTERVALS * self.poll_interval


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Everything the status page shows; an empty version is left out."""

    version: str
    accounts: tuple[AccountStatus, ...]
    python_version: str = ""
