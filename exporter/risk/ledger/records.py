"""What the ledger remembers, as values: of an account, a user, an event, a behavior's name."""

from dataclasses import dataclass

import msgspec

from exporter.risk.model import EventCount, RiskEvent, RiskLevel, UserSummary


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """What is remembered of an account beside its totals.

    `created` is when counting began, `baseline_at` when the first summary was read (None: not
    yet), `resets` how many scores were seen cleared.
    """

    created: float
    baseline_at: float | None = None
    resets: int = 0


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of one user, listed or not.

    - `summary`: their last row; None while they are not listed.
    - `counted_after`: events at or before this instant belong to the baseline and count for
      nothing; None where every event counts.
    - `last_reset`: the latest one known; None: none known.
    - `details_at`: when their details were last read; None: never.
    - `due_since`: since when their details are wanted because something changed; None: they
      are up to date.
    - `stale_answers`: how often in a row the details lacked the event the summary spoke of.
    - `events`: what was counted so far, one entry a behavior and level.
    """

    summary: UserSummary | None = None
    counted_after: float | None = None
    last_reset: float | None = None
    details_at: float | None = None
    due_since: float | None = None
    stale_answers: int = 0
    events: tuple[EventCount, ...] = ()

    @property
    def level(self) -> RiskLevel:
        """The level as of the last summary; none while not listed."""
        return RiskLevel.NONE if self.summary is None else self.summary.level


class EventMark(msgspec.Struct, frozen=True, gc=False):
    """How often events of one key were seen in one answer at the most.

    `gone_at` is when the API stopped answering them, or listing their user; None while it does.
    """

    count: int
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class NameRecord:
    """What an event's name stands for.

    `behavior` is the key of the behavior it names, None where no configured behavior has it.
    `identity` is the name under which its events were first counted: a behavior that is renamed
    keeps the identity, so that its old events are not taken for new ones.
    """

    behavior: str | None
    identity: str


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """An event that was counted just now, for those who watch them appear."""

    user_id: str
    behavior: str
    event: RiskEvent
