"""The order of risk levels. A level without a place in it is worse than all that have one."""

from collections.abc import Iterable

SCORED_LEVELS = ("low", "medium", "high")
NO_LEVEL = "none"
"""What the truth calls the level of a user who is not listed."""


def rank(level: str) -> int:
    """How bad `level` is, from 1 for low."""
    return SCORED_LEVELS.index(level) + 1 if level in SCORED_LEVELS else len(SCORED_LEVELS) + 1


def highest(levels: Iterable[str]) -> str | None:
    """The worst of `levels`; None of nothing."""
    return max(levels, key=rank, default=None)
