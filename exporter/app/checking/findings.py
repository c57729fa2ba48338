"""What `check` found, one thing at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing stands."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `message` is for people, `values` for programs.

    `account` is None where it is about none, and names several, with commas, where they share it.
    """

    subject: str
    verdict: Verdict
    message: str
    account: str | None = None
    values: Mapping[str, int | float | str] = field(default_factory=dict)
