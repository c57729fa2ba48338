"""API tokens: permissions, accounts, and the quota of each.

https://developers.cloudflare.com/fundamentals/api/reference/limits/: past the quota every call
is rejected for the length of a window. Instants of the quota are seconds of a monotonic clock.
"""

import math
from dataclasses import dataclass, field

from exporter.simulator.scenario.scenario import Permission


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """At most `requests` in a fixed window of `window_seconds`; `name` is its name in headers."""

    name: str
    requests: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The remaining requests of a policy, and the seconds until its window ends."""

    policy: QuotaPolicy
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class QuotaResult:
    """The quota after a request; `retry_after_seconds` is set if the request is rejected."""

    statuses: tuple[QuotaStatus, ...]
    retry_after_seconds: int | None = None


class _QuotaWindow:
    """The window of one policy; a new one begins with the first request after it has ended."""

    def __init__(self, policy: QuotaPolicy) -> None:
        self.policy = policy
        self._ends_at = -math.inf
        self._used = 0
        self._is_locked = False

    def spend(self, now: float, requests: int) -> None:
        if now >= self._ends_at:
            self._begin(now)
        self._used += requests
        if self._used > self.policy.requests and not self._is_locked:
            self._begin(now)
            self._is_locked = True

    def locked_until(self) -> float | None:
        return self._ends_at if self._is_locked else None

    def status(self, now: float) -> QuotaStatus:
        remaining = 0 if self._is_locked else self.policy.requests - self._used
        return QuotaStatus(self.policy, remaining, max(self._ends_at - now, 0.0))

    def _begin(self, now: float) -> None:
        self._ends_at = now + self.policy.window_seconds
        self._used = 0
        self._is_locked = False


class Quota:
    """The quota of one token over all its accounts; rejected requests count too."""

    def __init__(self, policies: tuple[QuotaPolicy, ...]) -> None:
        self._windows = tuple(_QuotaWindow(policy) for policy in policies)

    def spend(self, now: float, *, requests: int = 1) -> QuotaResult:
        """Count `requests` at `now`, and return the quota after them."""
        for window in self._windows:
            window.spend(now, requests)
        locks = (window.locked_until() for window in self._windows)
        locked_until = max((until for until in locks if until is not None), default=None)
        return QuotaResult(
            statuses=tuple(window.status(now) for window in self._windows),
            retry_after_seconds=None if locked_until is None else math.ceil(locked_until - now),
        )


@dataclass(frozen=True, slots=True)
class Token:
    """A token, or the API key of the user with this `email` (in lower case).

    `reader` is its number. `accounts` are ids; None means all accounts.
    """

    name: str
    value: str = field(repr=False)
    reader: int
    permissions: frozenset[Permission]
    accounts: frozenset[str] | None
    quota: Quota
    email: str | None = None

    def may_enter(self, account_id: str) -> bool:
        """Return whether the token has access to that account."""
        return self.accounts is None or account_id in self.accounts
