"""How one resource of one account fares: its polls, its failures, and who is told.

A failure becomes a value here; nothing above has to catch an API error.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import structlog

from exporter.clock import Clock
from exporter.errors import PollError
from exporter.polling.history import PollHistory
from exporter.telemetry import Telemetry

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class ResourceName(StrEnum):
    """What is polled; the value of the `resource` label."""

    SUMMARY = "summary"
    USERS = "users"
    BEHAVIORS = "behaviors"
    INTEGRATIONS = "integrations"


class Resource:
    """One resource of one account.

    `error` is why its last poll failed, None while all is well; `last_success_at` is in Unix
    seconds, None before the first; `history` is for people.
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
        self.error: PollError | None = None
        self.last_success_at: float | None = None
        self.history = PollHistory()
        self._account = account
        self._telemetry = telemetry
        self._clock = clock

    async def attempt(self, ask: Callable[[], Awaitable[T]]) -> T | PollError:
        """Ask once. The error it failed with is returned, counted, and logged when it is new."""
        labels = (self._account, self.name)
        self._telemetry.polls.labels(*labels).inc()
        began = self._clock.monotonic()
        try:
            result: T | PollError = await ask()
        except PollError as error:
            result = error
        self._telemetry.poll_duration.labels(*labels).set(self._clock.monotonic() - began)
        if isinstance(result, PollError):
            self._fail(result)
        else:
            self._succeed()
        return result

    def _succeed(self) -> None:
        self.last_success_at = self._clock.time()
        self.history.succeed()
        labels = (self._account, self.name)
        self._telemetry.last_success.labels(*labels).set(self.last_success_at)
        self._telemetry.resource_up.labels(*labels).set(1)
        if self.error is not None:
            _log.info("poll.recovered", account=self._account, resource=self.name.value)
        self.error = None

    def _fail(self, error: PollError) -> None:
        self.history.fail(error, now=self._clock.time())
        labels = (self._account, self.name)
        self._telemetry.poll_failures.labels(*labels, error.reason).inc()
        self._telemetry.resource_up.labels(*labels).set(0)
        is_new = self.error is None or self.error.reason != error.reason
        tell = _log.warning if is_new else _log.debug
        tell(
            "poll.failed",
            account=self._account,
            resource=self.name.value,
            reason=error.reason,
            error=str(error),
        )
        self.error = error
