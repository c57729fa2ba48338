"""When requests went out, for as long as any window of a quota may ask. Pure."""

from bisect import bisect_left, bisect_right, insort


class Spending:
    """The instants of all requests of one token, in order."""

    def __init__(self, *, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._instants: list[float] = []

    def add(self, instant: float) -> None:
        """Note a request, and drop what is older than `kept_seconds` by then."""
        insort(self._instants, instant)
        del self._instants[: bisect_right(self._instants, instant - self._kept_seconds)]

    def take_back(self, instant: float) -> None:
        """Forget one request noted at exactly this instant, if it is still known."""
        position = bisect_left(self._instants, instant)
        if position < len(self._instants) and self._instants[position] == instant:
            del self._instants[position]

    def count(self, since: float, *, until: float) -> int:
        """How many requests there were after `since`, up to `until`."""
        return bisect_right(self._instants, until) - bisect_right(self._instants, since)

    def fits_at(self, now: float, *, budget: int, window_seconds: float) -> float:
        """From when on one more request makes no more than `budget` in the window ending then.

        That is `now` or earlier where it fits already.
        """
        if self.count(now - window_seconds, until=now) < budget:
            return now
        return self._instants[-budget] + window_seconds
