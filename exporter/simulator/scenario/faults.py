"""What can be made to go wrong with answers, as a scenario or a request for faults says it."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.simulator.scenario.values import Name, Part, Seconds, Share


class FaultKind(StrEnum):
    """One way for an answer to go wrong.

    - `latency`: the right answer, `seconds` late; see `computed`.
    - `throttle`: 429 in the envelope, with `retry_after`, whatever the quota says.
    - `error`: `status` (500 unless said) in the envelope; 200 gives `success: false` with 200.
    - `html`: a page of the edge with `status` (502 unless said; 520 to 526, or 1015, which is
      a page with 429).
    - `truncate`: the connection ends in the middle of the body.
    - `stall`: half the body, then silence for `seconds`, then the connection ends.
    - `drop`: the connection ends without an answer.
    - `malformed`: JSON that is no envelope.
    - `null_result`: an envelope of success whose `result` is null.
    """

    LATENCY = "latency"
    THROTTLE = "throttle"
    ERROR = "error"
    HTML = "html"
    TRUNCATE = "truncate"
    STALL = "stall"
    DROP = "drop"
    MALFORMED = "malformed"
    NULL_RESULT = "null_result"


_HTML_STATUSES = {*range(500, 600), 1015}


class Fault(Part):
    """A fault, and which requests it strikes: all of them, unless said.

    - `operation` (as the log names it), `account` (name or id), `token` (name): only those.
    - `probability`: the share of those requests; `count`: at most so many of them.
    - `after`: seconds from now, or from the start in a scenario, until it begins; `lasting`:
      seconds from there until it ends. Both are real seconds, whatever the speed.
    - `computed`: whether a late answer tells what was true `before` or `after` the wait.
    """

    kind: FaultKind
    operation: Name | None = None
    account: Name | None = None
    token: Name | None = None
    probability: Share = 1.0
    count: int | None = Field(default=None, ge=1)
    after: Seconds = 0.0
    lasting: Seconds | None = None
    seconds: Seconds = 1.0
    computed: Literal["before", "after"] = "after"
    status: int | None = None
    retry_after: int = Field(default=30, ge=0)

    @model_validator(mode="after")
    def _check_status(self) -> Self:
        if self.status is None:
            return self
        if self.kind is FaultKind.HTML and self.status not in _HTML_STATUSES:
            raise ValueError("the status of an html fault is 5xx or 1015")
        if self.kind is FaultKind.ERROR and self.status != 200 and not 400 <= self.status < 600:  # noqa: PLR2004
            raise ValueError("the status of an error fault is 200, 4xx or 5xx")
        return self
