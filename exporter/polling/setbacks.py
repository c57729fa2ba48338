"""What follows from a user's details failing: for that user, and for all the others. Pure."""

from collections import Counter

from exporter.errors import (
    BadResponseError,
    NetworkError,
    PollError,
    RejectedError,
    ServerError,
    TimedOutError,
)
from exporter.polling.schedule import delay_after_failure

FAILURES_IN_A_ROW = 3
"""After so many users in a row who failed, it may not be the users' fault."""

STEPS_TO_INTERVAL = 10
"""So many failures later, one interval lies between two attempts."""

_FAULTS_OF_ONE_USER = (BadResponseError, NetworkError, RejectedError, ServerError, TimedOutError)
"""What may meet one user and no other. A refusal or a broken TLS will meet everybody."""


class Setbacks:
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
        if not isinstance(error, _FAULTS_OF_ONE_USER):
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
