"""Decide when to poll again after a success or a failure, and repeat polls accordingly."""

from collections import Counter
from collections.abc import Awaitable, Callable
from math import floor
from typing import Never

from exporter.clock import Clock
from exporter.errors import PollError, Scope

CEILING_INTERVALS = 5.0
"""The longest delay between attempts after failures, in poll intervals."""


def delay_after_success(interval: float, *, elapsed: float) -> float:
    """Return the seconds from the end of a poll that took `elapsed` to the start of the next.

    Polls start on a grid of `interval`. Starts missed while the poll ran are skipped, so a slow
    response or a suspended machine never causes several polls in a row.
    """
    return interval * (floor(elapsed / interval) + 1) - elapsed


def delay_after_failure(
    failures: int, error: PollError, *, interval: float, jitter: float
) -> float:
    """Return the seconds to wait after the `failures`-th failed poll in a row, counting from 1.

    The delay lies between `interval` and a bound that doubles with each failure, up to
    `CEILING_INTERVALS` intervals; `jitter`, from 0 to 1, is its position in this range. It is never
    less than `error.retry_delay_seconds`.
    """
    bound = min(2.0 ** min(failures, 16), CEILING_INTERVALS)
    delay = interval * (1.0 + jitter * (bound - 1.0))
    return max(delay, error.retry_delay_seconds)


def delay_after_stale_answer(answers: int, *, interval: float) -> float:
    """Return the seconds to wait after the `answers`-th response in a row older than the summary.

    A quarter of `interval`, in case the details were about to be updated, then four times as long
    each time.
    """
    return interval * 4.0 ** (min(answers, 3) - 2)


def start_delay(position: int, count: int, *, interval: float) -> float:
    """Return when the account at `position` of `count` starts, spread over `interval`."""
    return interval * position / count


FAILURES_IN_A_ROW = 3
"""After this many failing users in a row, the cause may not be the users."""

STEPS_TO_INTERVAL = 10
"""After this many further failures, attempts are one interval apart."""


class Backoff:
    """The failures of one account's users since each last succeeded.

    No details are requested before `resume_at`, an instant of a monotonic clock.
    """

    def __init__(self, *, interval: float) -> None:
        self.resume_at = float("-inf")
        self._interval = interval
        self._failures: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._pauses_in_a_row = 0

    def note_success(self, user_id: str) -> None:
        """Record that a user was read."""
        del self._failures[user_id]
        self._failures_in_a_row = self._pauses_in_a_row = 0

    def note_failure(self, user_id: str, error: PollError, *, now: float, jitter: float) -> float:
        """Record that a user's request failed; return the seconds of that user's cooldown.

        A failure that may concern this user alone slows down the others step by step: a few broken
        users do not stop them for long, and an outage does not cause a request for each of them. A
        failure that concerns all requests pauses all for as long as a poll waits after it.
        """
        self._failures_in_a_row += 1
        if error.scope is not Scope.REQUEST:
            self._pause_all(error, now=now, jitter=jitter)
            return self.resume_at - now
        steps = self._failures_in_a_row - FAILURES_IN_A_ROW + 1
        if steps > 0:
            self._resume_after(self._interval * min(steps / STEPS_TO_INTERVAL, 1.0), now=now)
        self._failures[user_id] += 1
        return delay_after_failure(
            self._failures[user_id], error, interval=self._interval, jitter=jitter
        )

    def _pause_all(self, error: PollError, *, now: float, jitter: float) -> None:
        """Pause all; failures of several requests in flight count as one."""
        if now >= self.resume_at:
            self._pauses_in_a_row += 1
        delay = delay_after_failure(
            self._pauses_in_a_row, error, interval=self._interval, jitter=jitter
        )
        self._resume_after(delay, now=now)

    def _resume_after(self, seconds: float, *, now: float) -> None:
        self.resume_at = max(self.resume_at, now + seconds)


async def repeat(
    poll: Callable[[], Awaitable[PollError | None]],
    *,
    interval: float,
    clock: Clock,
    jitter: Callable[[], float],
    on_due: Callable[[float], None] = lambda _: None,
) -> Never:
    """Poll until cancelled, one poll at a time; `poll` returns the error it failed with.

    `jitter` returns a random number from 0 to 1. `on_due` is called with the instant of the next
    poll, by the monotonic clock.
    """
    failures = 0
    while True:
        began = clock.monotonic()
        error = await poll()
        if error is None:
            failures = 0
            delay = delay_after_success(interval, elapsed=clock.monotonic() - began)
        else:
            failures += 1
            delay = delay_after_failure(failures, error, interval=interval, jitter=jitter())
        on_due(clock.monotonic() + delay)
        await clock.sleep(delay)
