"""Cloudflare's envelope around every answer."""

from collections.abc import Iterable, Sequence

import msgspec

from exporter.simulator.api.problems import Problem
from exporter.simulator.world.body import Body, Piece

_ENCODER = msgspec.json.Encoder()
_REST = b'"success":true,"errors":[],"messages":[]'


class ResultInfo(msgspec.Struct):
    """Which page of how many the result is."""

    count: int
    page: int
    per_page: int
    total_count: int
    total_pages: int


def success(result: object, *, result_first: bool) -> Body:
    """Wrap a JSON `result`."""
    return wrap((Piece(_ENCODER.encode(result)),), result_first=result_first)


def wrap(
    result: Iterable[Piece], *, result_first: bool, result_info: ResultInfo | None = None
) -> Body:
    """Wrap a result that is already JSON, without copying it."""
    info = b"" if result_info is None else b',"result_info":' + _ENCODER.encode(result_info)
    head, tail = (b'{"result":', b"," + _REST + info + b"}")
    if not result_first:
        head, tail = (b"{" + _REST + info + b',"result":', b"}")
    return Body((Piece(head), *result, Piece(tail)))


def failure(problems: Sequence[Problem]) -> Body:
    """Wrap errors."""
    answer = {"success": False, "errors": list(map(_told, problems)), "messages": []}
    return Body.of(_ENCODER.encode({**answer, "result": None}))


def _told(problem: Problem) -> dict[str, object]:
    told: dict[str, object] = {"code": problem.code, "message": problem.message}
    if problem.pointer is not None:
        told["source"] = {"pointer": problem.pointer}
    return told
