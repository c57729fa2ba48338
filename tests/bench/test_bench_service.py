import pytest

from bench.service import measure_polls
from bench.world import Plan, open_world


@pytest.mark.slow
async def test_a_poll_costs_one_call_and_one_for_each_user_who_changed() -> None:
    """A goal that is a count holds on any machine; and the bench itself must go on running."""
    async with open_world(100) as world:
        rows = await measure_polls(world, Plan(poll_seconds=3, polls=1), rivals=())

    calls = [row for row in rows if row.what == "API calls of a poll, 1 changed"]
    assert [row.values for row in calls] == [(2,), (2,)]  # 0.03 % and 1 % of 100, at least one
