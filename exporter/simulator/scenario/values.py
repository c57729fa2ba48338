"""The base class of the scenario models, their value types, and error messages."""

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
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


def describe_errors(error: ValidationError, kind: type[ScenarioModel]) -> Iterator[str]:
    """Yield one line for each problem: its place, what is wrong, and the nearest known key.

    `kind` is the model that was validated. Values are not repeated, because one may be a token.
    """
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{place}: unknown key{_suggest(kind, problem['loc'])}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{place}: {message}" if place else message


def _suggest(kind: type[ScenarioModel], loc: tuple[int | str, ...]) -> str:
    for name in loc[:-1]:
        field = kind.model_fields.get(str(name))
        kind = next(_models_in(field.annotation), kind) if field else kind
    near = difflib.get_close_matches(str(loc[-1]), kind.model_fields, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _models_in(annotation: object) -> Iterator[type[ScenarioModel]]:
    """Yield the models in an annotation such as `tuple[SomeModel, ...]` or `SomeModel | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ScenarioModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
