"""What is wrong with something a person wrote, in words they can act upon."""

import difflib
from collections.abc import Iterator

from pydantic import ValidationError

from exporter.simulator.scenario.values import Part


def explain(error: ValidationError) -> Iterator[str]:
    """Say each problem in a line: where it is, what is wrong, and what may have been meant.

    Values are not repeated, because one of them may be a token.
    """
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{place}: unknown key{_suggest(str(problem['loc'][-1]))}"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{place}: {message}" if place else message


def _suggest(key: str) -> str:
    known = sorted({name for part in _parts(Part) for name in part.model_fields})
    near = difflib.get_close_matches(key, known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _parts(base: type[Part]) -> Iterator[type[Part]]:
    for part in base.__subclasses__():
        yield part
        yield from _parts(part)
