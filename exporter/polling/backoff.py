"""When to poll again after a success or a failure. Rules over numbers, and the loop that applies them."""

from collections import Counter
from collections.abc import Awaitable, Callable
from math import floor
from typing import Never

from exporter.clock import Clock
from exporter.errors import PollError, Scope

CEILING_INTERVALS = 5.0
"""However often a poll has failed, it is tried again after this many intervals at the latest."""


def delay_after_success(interval: float, *, elapsed: float) -> float:
    """Seconds from the end of a poll that took `elapsed` to the start of the next.

    Polls start on a grid of `interval`; those whose turn came while the poll ran are left out,
    so that a slow answer, or a machine that slept, delays the next one and never stacks them.
    """
    return interval * (floor(elapsed / interval) + 1) - elapsed


def delay_after_failure(
    failures: int, error: PollError, *, interval: float, jitter: float
) -> float:
    """Seconds to wait after the `failures`-th poll in a row has failed, counting from 1.

    Spread from `interval` up to a bound that doubles with each failure until it is
    `CEILING_INTERVALS` intervals; `jitter`, from 0 to 1, says where in between. Never
    less than `error.retry_delay_seconds`.
    """
    bound = min(2.0 ** min(failures, 16), CEILING_INTERVALS)
    delay = interval * (1.0 + jitter * (bound - 1.0))
    return max(delay, error.retry_delay_seconds)


def delay_after_stale_answer(answers: int, *, interval: float) -> float:
    """Seconds to wait after the `answers`-th answer in a row was older than the summary.

    A quarter of `interval`, in case it was about to be up to date, then four times as long each.
    """
    return interval * 4.0 ** (min(answers, 3) - 2)


def start_delay(position: int, count: int, *, interval: float) -> float:
    """Seconds after which the account at `position` of `count` starts, spread over `interval`."""
    return interval * position / count


FAILURES_IN_A_ROW = 3
"""After so many users in a row who failed, it may not be the users' fault."""

STEPS_TO_INTERVAL = 10
"""So many failures later, one interval lies between two attempts."""


class Backoff:
    """The failures of one account's users since each last succeeded.

    Nobody is to be asked about before `resume_at`, an instant of a monotonic clock.
    """

    def __init__(self, *, interval: float) -> None:
        self.resume_at = float("-inf")
        self._interval = interval
        self._failures: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._pauses_in_a_row = 0

    def note_success(self, user_id: str) -> None:
        """Note that a user was read."""
        del self._failures[user_id]
        self._failures_in_a_row = self._pauses_in_a_row = 0

    def note_failure(self, user_id: str, error: PollError, *, now: float, jitter: float) -> float:
        """Note that asking about a user failed; for how many seconds that user rests.

        What may be the user's own fault slows the others down step by step, so that neither a
        few broken users stop them for long nor an outage is met by a request for each of them.
        What will meet everybody stops all for as long as any poll waits after such a failure.
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
        """Pause; failures of several requests that were on their way are one pause."""
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
    """Poll for ever, one poll at a time; what `poll` returns is why it failed.

    `jitter` gives a number from 0 to 1, another one each time. `on_due` gets the instant of each
    next poll, by the monotonic clock.
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
