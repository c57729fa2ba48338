"""The base class of the scenario models, and their value types."""

import re
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNIT_SECONDS = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0)]
Name = Annotated[str, StringConstraints(min_length=1)]
AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_-]{1,32}$")]
"""A real id is 32 hexadecimal digits; the test suites of the SDKs send `account_id`."""

Uuid = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
]


class ScenarioModel(BaseModel):
    """The base class: frozen, and with unknown keys rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def parse_duration(value: object) -> object:
    """Return the seconds of a duration such as `250ms`, `15s`, `5m`, `24h` or `7d`; keep other types."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError("not a duration such as 15s, 5m or 24h, nor a number of seconds")
    return float(found[1]) * _UNIT_SECONDS[found[2]]


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
