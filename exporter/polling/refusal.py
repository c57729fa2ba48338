"""What a 429 means: silence for as long as the API said, then one request before more. Pure."""

from exporter.polling.priority import Pause, PauseReason

_SAME_INSTANT_SECONDS = 0.001
"""Instants that were added and subtracted again differ by less than this."""


class Refusal:
    """Whether one token is refused now; instants are those of a monotonic clock.

    The first request after the silence is the probe; while it is on its way nothing else goes.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._probe: float | None = None
        self._refused_before = 0.0
        self._began = self._ends = 0.0

    def pause(self, now: float) -> Pause | None:
        """How long nothing at all may be asked; None where a request may go.

        For ever, as far as one can tell, while a probe is on its way.
        """
        if self._until is None:
            return None
        if self._probe is not None:
            return Pause(float("inf"), PauseReason.RATE_LIMITED)
        return Pause(self._until, PauseReason.RATE_LIMITED) if now < self._until else None

    def refused_seconds(self, now: float) -> float:
        """Return in how many seconds the API has refused the token so far.

        They run from the 429 to the instant it named, whether or not a request waits; overlapping
        429s count once.
        """
        return self._refused_before + max(min(now, self._ends) - self._began, 0.0)

    def begin(self, now: float, *, until: float) -> None:
        """Note a 429. Of several the longest holds."""
        if now >= self._ends:
            self._refused_before = self.refused_seconds(now)
            self._began = now
        self._ends = max(self._ends, until)
        self._until = until if self._until is None else max(until, self._until)

    def note_asked(self, instant: float) -> None:
        """Note that a request goes out: during a refusal it is the probe."""
        if self._until is not None:
            self._probe = instant

    def note_answered(self, *, sent_at: float) -> None:
        """Note an answer that was no 429.

        One to something asked before the silence was over says nothing of what is allowed now.
        """
        if self._until is not None and sent_at > self._until - _SAME_INSTANT_SECONDS:
            self._until = None

    def note_over(self, instant: float) -> None:
        """Note that what was asked at `instant` is over: a probe that told nothing needs another."""
        if self._probe == instant:
            self._probe = None
