"""What is wrong with something a person wrote, in words they can act upon."""

import difflib
from collections.abc import Iterator
from typing import get_args

from pydantic import ValidationError

from exporter.simulator.scenario.values import Part


def explain(error: ValidationError, kind: type[Part]) -> Iterator[str]:
    """Say each problem in a line: where it is, what is wrong, and what may have been meant.

    `kind` is what was being read. Values are not repeated, because one of them may be a token.
    """
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{place}: unknown key{_suggest(kind, problem['loc'])}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{place}: {message}" if place else message


def _suggest(kind: type[Part], loc: tuple[int | str, ...]) -> str:
    for name in loc[:-1]:
        field = kind.model_fields.get(str(name))
        kind = next(_parts_in(field.annotation), kind) if field else kind
    near = difflib.get_close_matches(str(loc[-1]), kind.model_fields, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _parts_in(annotation: object) -> Iterator[type[Part]]:
    """Find the part in an annotation such as `tuple[SomePart, ...]` or `SomePart | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts_in(inner)
