"""A bound on how often requests are answered, as the web configuration may ask for."""

from dataclasses import dataclass

from exporter.clock import Clock


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One request every `interval_seconds`, and up to `burst` at once."""

    interval_seconds: float
    burst: int


class TokenBucket:
    """Holds a token for each request that may be answered now; full at first."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._counted_at = clock.monotonic()

    def take(self) -> bool:
        """Take a token for one request; False where there is none."""
        now = self._clock.monotonic()
        gained = (now - self._counted_at) / self._limit.interval_seconds
        self._tokens = min(self._tokens + gained, float(self._limit.burst))
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
