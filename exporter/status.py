"""What the status page tells, as values; nothing here names a user. Instants are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from exporter.risk.model import RiskLevel

SUMMARY = "summary"
"""The resource an account's freshness goes by."""

LATE_INTERVALS = 3
"""A summary older than this many poll intervals is late, even where no poll has failed."""


class Access(StrEnum):
    """What the API last said of the token where one resource is asked for."""

    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"
    REFUSED = "token refused"
    UNKNOWN = "not known yet"


class Condition(Enum):
    """How far what is shown of an account can be believed; the worst come first."""

    EMPTY = "no data"
    STALE = "stale"
    PARTIAL = "partly failing"
    WAITING = "not polled yet"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource of an account.

    `permission` is Cloudflare's name of what a token needs for it. `reason` says why it fails
    since `failing_since`; both are None while it does not.
    """

    name: str
    permission: str
    access: Access = Access.UNKNOWN
    last_success: float | None = None
    failing_since: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FailureStatus:
    """Failures of one resource for one reason; `message` is the last one's."""

    resource: str
    reason: str
    message: str
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The token's quota as the API last said; `token` is the token's fingerprint."""

    limit: int
    remaining: int
    resets_at: float
    token: str = ""


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """Requests are held back for a `reason` of `api_paused_seconds_total`.

    `until` is None where they go on as soon as the API has answered.
    """

    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """How many users' details are to be read, each user under the first reason that applies.

    `changed` users have another summary row than at the last reading, the first of them since
    `oldest`, which is None where there are none; `refresh` are those whose details are old.
    """

    changed: int = 0
    oldest: float | None = None
    never_read: int = 0
    refresh: int = 0

    @property
    def users(self) -> int:
        """All of them."""
        return self.changed + self.never_read + self.refresh


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account.

    `poll_interval` is the summary's, in seconds. `users` counts the users of each level, None
    while there are no data to show. `is_paced` where requests wait for moments only, so that they
    spread over the quota's window. `departures_frozen` where users who left stay listed, because
    rows of the summary have no readable user id. `failures` go from the latest to the earliest.
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
        """The resource everything else goes by."""
        return next(resource for resource in self.resources if resource.name == SUMMARY)

    def condition(self, now: float) -> Condition:
        """How far what is shown of the account can be believed at the instant `now`."""
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
        """Whether no summary was good for much longer than polls are apart."""
        last = self.summary.last_success
        return last is not None and now - last > LATE_INTERVALS * self.poll_interval


@dataclass(frozen=True, slots=True)
class StatusPage:
    """What the status page tells; an empty version is not told."""

    version: str
    accounts: tuple[AccountStatus, ...]
    python_version: str = ""
