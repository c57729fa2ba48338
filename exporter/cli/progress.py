"""How far long work is: a bar for each account on a terminal, nothing elsewhere."""

from collections.abc import Iterator
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


class UsersAsked:
    """A bar for each account: how many of its users were asked about."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, account: str, *, users: int) -> None:
        """So many users of the account will be asked about."""
        self._tasks[account] = self._bars.add_task(account, total=users)

    def advance(self, account: str) -> None:
        """One of them was."""
        self._bars.advance(self._tasks[account])


@contextmanager
def shown_progress() -> Iterator[UsersAsked]:
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
        yield UsersAsked(bars)
