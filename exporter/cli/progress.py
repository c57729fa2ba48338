"""Shows the progress of long commands: on a terminal as bars or a line, elsewhere in the log."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from exporter.app.once import QuotaWait
from exporter.cli.output import printable, rfc3339
from exporter.clock import Clock
from exporter.logs import get_logger

_log = get_logger(__name__)

_SHORTEST_WAIT_SECONDS = 1.0
_SAME_END_SECONDS = 2.0
"""Waits whose ends differ by less are the same wait, because the API counts whole seconds."""

_AWAITED = {
    "budget": "the share of the quota",
    "rate_limited": "the API to accept requests again (429)",
}


class UserBars:
    """A progress bar for each account, which counts the users that were read."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, account: str, *, users: int) -> None:
        """Add a bar for an account of which this number of users will be read."""
        self._tasks[account] = self._bars.add_task(account, total=users)

    def advance(self, account: str) -> None:
        """Count one more user of the account as read."""
        self._bars.advance(self._tasks[account])


@contextmanager
def shown_progress() -> Iterator[UserBars]:
    """Show bars on standard error while the block lasts."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("users"),
        # An estimate over minutes: the quota lets users through in bursts.
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=600.0,
        transient=True,
    )
    with bars:
        yield UserBars(bars)


@contextmanager
def shown_waits(clock: Clock) -> Iterator[Callable[[Sequence[QuotaWait]], None]]:
    """Show waits for the quota and their ends: as a line on a terminal, elsewhere as log events.

    Both go to standard error. Call the yielded function repeatedly with the present waits.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LoggedWaits(clock).note
        return
    with console.status("Polling") as status:
        yield lambda waits: status.update(Text(_line(waits, now=clock.time())))


class _LoggedWaits:
    """Logs each wait once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged: dict[str, QuotaWait] = {}

    def note(self, waits: Sequence[QuotaWait]) -> None:
        """Log each wait that is new, or whose end has changed since it was logged."""
        now = self._clock.time()
        for wait in waits:
            is_short = wait.until is not None and wait.until - now < _SHORTEST_WAIT_SECONDS
            if is_short or _is_same(wait, self._logged.get(wait.account)):
                continue
            self._logged[wait.account] = wait
            _log.info(
                "quota.awaited",
                account=wait.account,
                reason=wait.reason,
                until=None if wait.until is None else rfc3339(float(int(wait.until))),
                changed_users_left=wait.users,
            )


def _is_same(wait: QuotaWait, logged: QuotaWait | None) -> bool:
    if logged is None or logged.reason != wait.reason:
        return False
    if wait.until is None or logged.until is None:
        return wait.until is logged.until
    return abs(wait.until - logged.until) < _SAME_END_SECONDS


def _line(waits: Sequence[QuotaWait], *, now: float) -> str:
    parts = []
    for wait in waits:
        end = ""
        if wait.until is not None:
            end = f" until {rfc3339(float(int(wait.until)))} ({max(wait.until - now, 0.0):.0f} s)"
        users = f", changed users left: {wait.users}" if wait.users else ""
        awaited = _AWAITED.get(wait.reason, wait.reason)
        parts.append(f"{printable(wait.account)}: waiting for {awaited}{end}{users}")
    return "; ".join(parts) or "Polling"
