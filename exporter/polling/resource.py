"""The state of one account and of its polled resources: successes, failures and their logging."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.clock import Clock
from exporter.errors import PollError, Scope, StatusError
from exporter.logs import StateChangeLog, get_logger
from exporter.risk.model import Behavior, Integration
from exporter.status import FailureStatus, ResourceName
from exporter.telemetry import Telemetry


class PollHistory:
    """The outcomes of one resource's polls since the start, in constant space.

    `failing_since` is when the first of the current failures in a row happened, None after a
    success.
    `denied` is the scope (token or account) of the last denial of access, None after a success and
    before the first denial. Other failures do not change it.
    """

    def __init__(self, resource: ResourceName) -> None:
        self.failing_since: float | None = None
        self.denied: Scope | None = None
        self._resource = resource
        self._by_reason: dict[str, FailureStatus] = {}

    def succeed(self) -> None:
        """Record a successful poll."""
        self.failing_since = None
        self.denied = None

    def fail(self, error: PollError, *, now: float) -> None:
        """Record a poll that failed at the Unix second `now`."""
        if self.failing_since is None:
            self.failing_since = now
        if error.denies_access:
            self.denied = error.scope
        before = self._by_reason.pop(error.reason, None)
        self._by_reason[error.reason] = FailureStatus(
            resource=self._resource,
            reason=error.reason,
            message=safe_message(self._resource, error),
            count=1 if before is None else before.count + 1,
            first_at=now if before is None else before.first_at,
            last_at=now,
        )

    def failures(self) -> Sequence[FailureStatus]:
        """Return the failures, one entry for each reason, latest first."""
        return tuple(reversed(self._by_reason.values()))


LONGEST_SHOWN_MESSAGE = 160
"""The most characters of an error's message that are kept."""

_IDENTITY = re.compile(
    r"[^\s\"'<>()]+@[^\s\"'<>()]+"  # an email address
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",  # a UUID, the form of user ids
    re.IGNORECASE,
)


def safe_message(resource: ResourceName, error: PollError) -> str:
    """Return an error's message without anything that may identify a user.

    If the request was for one user, the API's explanation may name them in any form, so only the
    status and the error codes are kept. Otherwise emails and user ids are replaced.
    """
    if resource is ResourceName.USERS and isinstance(error, StatusError):
        codes = "".join(f", code {code}" for code in error.codes)
        return f"HTTP {error.status}{codes}"
    message = _IDENTITY.sub("…", str(error))
    is_long = len(message) > LONGEST_SHOWN_MESSAGE
    return message[: LONGEST_SHOWN_MESSAGE - 1] + "…" if is_long else message


FROZEN_AFTER_POLLS = 3
"""Departures are reported as frozen after this many summaries in a row that prove none."""


@dataclass(slots=True)
class AccountState:
    """What the last polls of an account found. It survives a reload.

    - `up`: the last summary succeeded, and its data are exposed.
    - `read_at`: when a summary last succeeded, by the monotonic clock; None if that never happened
      or the data are withdrawn.
    - `first_poll_ended`: the first summary succeeded or failed.
    - `start_at`, `next_polls`: when polling of the account, and the next poll of each resource, is
      due by the monotonic clock. A restarted poller keeps them.
    - `unproven_polls`: how many summaries in a row had a row without a readable user id, so that
      a missing row proves no departure.
    - `logged_users`: the listed users by level as last logged; None before the first summary.
    - `waiting_requests`: how many requests of the account wait for the quota now.
    """

    up: bool = False
    read_at: float | None = None
    behaviors: tuple[Behavior, ...] = ()
    integrations: tuple[Integration, ...] = ()
    unproven_polls: int = 0
    logged_users: Mapping[str, int] | None = None
    waiting_requests: int = 0
    start_at: float | None = None
    next_polls: dict[str, float] = field(default_factory=dict)
    first_poll_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def departures_frozen(self) -> bool:
        """Whether users who left stay listed, because too many summaries in a row prove no departure."""
        return self.unproven_polls >= FROZEN_AFTER_POLLS

    @property
    def has_fresh_data(self) -> bool:
        """Whether gauges are exposed; False before the first summary and after a withdrawal."""
        return self.read_at is not None


T = TypeVar("T")

_log = get_logger(__name__)


UNREADABLE_PART = 0.1
"""If a larger part of the rows is unreadable, the API has probably changed."""


class Resource:
    """One resource of one account.

    `last_success_at` is in Unix seconds, None before the first success. `rows` counts the rows of
    successful responses since the start, `unreadable_rows` those of them that could not be read.
    """

    def __init__(
        self,
        name: ResourceName,
        *,
        account: str,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self.name = name
        self.last_success_at: float | None = None
        self.history = PollHistory(name)
        self.rows = 0
        self.unreadable_rows = 0
        self._account = account
        self._telemetry = telemetry
        self._clock = clock
        self._failing: dict[str, PollError] = {}
        self._failures = StateChangeLog(_log)
        self._unreadable = StateChangeLog(_log)

    @property
    def error(self) -> PollError | None:
        """The latest error of a subject that has not succeeded since, or None."""
        return next(reversed(self._failing.values()), None)

    @property
    def is_mostly_readable(self) -> bool:
        """Whether no more than `UNREADABLE_PART` of the rows read so far were unreadable."""
        return self.unreadable_rows <= UNREADABLE_PART * self.rows

    def note_rows(self, *, rows: int, unreadable: int, operation: str) -> None:
        """Count the rows of a good answer; log a warning when some are unreadable for the first time.

        Later answers with unreadable rows are logged at debug level: the counters show them.
        """
        labels = (self._account, operation)
        self.rows += rows
        self._telemetry.answer_rows.labels(*labels).inc(rows)
        if not unreadable:
            return
        self.unreadable_rows += unreadable
        self._telemetry.unreadable_rows.labels(*labels).inc(unreadable)
        self._unreadable.begin(
            "rows.skipped",
            account=self._account,
            operation=operation,
            rows=rows,
            unreadable=unreadable,
        )

    async def attempt(
        self, request: Callable[[], Awaitable[T]], *, subject: str = ""
    ) -> T | PollError:
        """Poll once. Return the result, or the error, which is counted and logged if it is new.

        `subject` is the user, if the resource has one response per user.
        """
        labels = (self._account, self.name)
        self._telemetry.polls.labels(*labels).inc()
        began = self._clock.monotonic()
        try:
            result: T | PollError = await request()
        except PollError as error:
            result = error
        self._telemetry.poll_duration.labels(*labels).set(self._clock.monotonic() - began)
        if isinstance(result, PollError):
            self._fail(subject, result)
        else:
            self._succeed(subject)
        return result

    def _succeed(self, subject: str) -> None:
        self.last_success_at = self._clock.time()
        self.history.succeed()
        labels = (self._account, self.name)
        self._telemetry.last_success.labels(*labels).set(self.last_success_at)
        self._telemetry.resource_up.labels(*labels).set(1)
        self._failing.pop(subject, None)
        if not self._failing:
            self._failures.end("poll.recovered", account=self._account, resource=self.name.value)

    def _fail(self, subject: str, error: PollError) -> None:
        self.history.fail(error, now=self._clock.time())
        labels = (self._account, self.name)
        self._telemetry.poll_failures.labels(*labels, error.reason).inc()
        self._telemetry.resource_up.labels(*labels).set(0)
        self._failures.begin(
            "poll.failed",
            cause=error.reason,
            account=self._account,
            resource=self.name.value,
            reason=error.reason,
            error=str(error),
        )
        self._failing.pop(subject, None)
        self._failing[subject] = _without_traceback(error)


def _without_traceback(error: PollError) -> PollError:
    """Drop the traceback and the causes, because their frames keep the response in memory."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
