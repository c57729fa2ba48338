"""When to ask again: rules over numbers, without a clock and without chance of their own."""

from math import floor

from exporter.errors import ForbiddenError, PollError, ThrottledError, UnauthorizedError

CEILING_INTERVALS = 5.0
"""However often a poll has failed, it is tried again after this many intervals at the latest."""

REFUSED_DELAY_SECONDS = 60.0
"""A token that was refused is not shown again sooner than this."""


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
    `CEILING_INTERVALS` intervals; `jitter`, from 0 to 1, says where in between. What the API
    said of its own accord (`retry_after_seconds`) is honoured in full, and a refused token rests
    for `REFUSED_DELAY_SECONDS`.
    """
    bound = min(2.0 ** min(failures, 16), CEILING_INTERVALS)
    delay = interval * (1.0 + jitter * (bound - 1.0))
    if isinstance(error, ThrottledError):
        return max(delay, error.retry_after_seconds or 0.0)
    if isinstance(error, UnauthorizedError | ForbiddenError):
        return max(delay, REFUSED_DELAY_SECONDS)
    return delay


def delay_after_stale_answer(answers: int, *, interval: float) -> float:
    """Seconds to wait after the `answers`-th answer in a row was older than the summary.

    A quarter of `interval`, in case it was about to be up to date, then four times as long each.
    """
    return interval * 4.0 ** (min(answers, 3) - 2)


def start_delay(position: int, count: int, *, interval: float) -> float:
    """Seconds after which the account at `position` of `count` starts, spread over `interval`."""
    return interval * position / count
