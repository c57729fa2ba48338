"""No test asserts that something took less than some time: on a busy machine it would fail."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = frozenset({"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time"})
"""Functions of `time`. Processor time is not among them: other processes do not lengthen it."""


def upper_bounds(source: str) -> list[int]:
    """Return the lines of asserts that bound a measured duration from above."""
    tree = ast.parse(source)
    instants, durations = _measured_names(tree)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        for small, large in _orderings(node.test)
        if _is_duration(small, instants, durations) and not _is_duration(large, instants, durations)
    ]


def _orderings(test: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what is compared, as (what must be less, what must be more)."""
    for compare in (node for node in ast.walk(test) if isinstance(node, ast.Compare)):
        sides = (compare.left, *compare.comparators)
        for left, operator, right in zip(sides, compare.ops, sides[1:], strict=False):
            if isinstance(operator, ast.Lt | ast.LtE):
                yield left, right
            elif isinstance(operator, ast.Gt | ast.GtE):
                yield right, left


def _measured_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names of variables that hold instants, and of those that hold durations."""
    instants: set[str] = set()
    durations: set[str] = set()
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    for node in assignments:
        if _reads_clock(node.value, set()):
            instants |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    for node in assignments:
        if _is_duration(node.value, instants, set()):
            durations |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return instants - durations, durations


def _is_duration(node: ast.expr, instants: set[str], durations: set[str]) -> bool:
    return any(
        (isinstance(part, ast.Name) and part.id in durations)
        or (
            isinstance(part, ast.BinOp)
            and isinstance(part.op, ast.Sub)
            and _reads_clock(part, instants)
        )
        for part in ast.walk(node)
    )


def _reads_clock(node: ast.expr, instants: set[str]) -> bool:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in instants:
            return True
        if isinstance(part, ast.Call) and not part.args and _called_name(part) in CLOCKS:
            return True
    return False


def _called_name(call: ast.Call) -> str | None:
    """Return the name of a function of `time`, also where it is imported by its own name."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="time"), attr=name):
            return name
        case _:
            return None


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_no_test_bounds_a_duration_from_above(path: Path) -> None:
    """Lower bounds hold on a busy machine too; a test that hangs is ended by pytest-timeout."""
    assert upper_bounds(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("assert time.monotonic() - started < 1", True),
        ("assert 1 >= perf_counter() - started", True),
        ("took = time.perf_counter() - started; assert took <= 1", True),
        ("assert 0.1 < time.monotonic() - started < 1", True),
        ("ended = time.monotonic(); assert ended - started < 1", True),
        ("assert time.monotonic() - started >= 0.15", False),
        ("assert 0.15 < time.monotonic() - started", False),
        ("assert clock.monotonic() - started_on_own_clock < 1", False),
        ("assert started < time.monotonic()", False),
        ("used = time.process_time(); assert time.process_time() - used < 3", False),
    ],
)
def test_upper_bounds_are_found(line: str, *, is_found: bool) -> None:
    """The check itself, on one line each."""
    assert bool(upper_bounds(f"started = time.monotonic()\n{line}\n")) is is_found
