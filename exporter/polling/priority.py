"""The words in which tasks and the quota speak: what a request is for, and why it has to wait."""

from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """What a request is for; a lower number goes first."""

    SUMMARY = 0
    CONFIGURATION = 1
    URGENT_DETAILS = 2
    CHANGED_DETAILS = 3
    RELAXED_DETAILS = 4


DETAILS = (Priority.URGENT_DETAILS, Priority.CHANGED_DETAILS, Priority.RELAXED_DETAILS)
"""What details are asked for: users at high risk; others who changed; catching up."""


class PauseReason(IntEnum):
    """Why a request has to wait: the API refused us, or the budget is used up."""

    RATE_LIMITED = 0
    BUDGET = 1

    @property
    def label(self) -> str:
        """The value of the `reason` label of `api_paused_seconds_total`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask nothing before `until`, or before something was learnt that ends the pause sooner."""

    until: float
    reason: PauseReason
