"""A map of priorities behaves as a dictionary that is searched for its minimum."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.queues import PriorityMap

USERS = st.sampled_from("abcdef")
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), USERS, st.integers(0, 3).map(float)),
        st.tuples(st.just("discard"), USERS, st.just(0.0)),
        st.tuples(st.just("look"), USERS, st.just(0.0)),
    ),
    max_size=60,
)


@given(operations=OPERATIONS)
def test_the_map_agrees_with_a_dictionary_that_is_searched(
    operations: list[tuple[str, str, float]],
) -> None:
    """Replaced and removed priorities are still in the heap, and must never be returned."""
    priorities: PriorityMap[float] = PriorityMap()
    model: dict[str, float] = {}
    for operation, user_id, priority in operations:
        if operation == "put":
            priorities.put(user_id, priority)
            model[user_id] = priority
        elif operation == "discard":
            priorities.discard(user_id)
            model.pop(user_id, None)
        else:
            smallest = min(((one, who) for who, one in model.items()), default=None)
            assert priorities.first() == smallest
        assert list(priorities) == list(model)
        assert len(priorities) == len(model)
        assert (user_id in priorities) is (user_id in model)
    assert priorities.first() == min(((one, who) for who, one in model.items()), default=None)


def test_replaced_priorities_do_not_accumulate() -> None:
    """One user who changes again and again must not fill the memory."""
    priorities: PriorityMap[float] = PriorityMap()
    for user_id in "abc":
        priorities.put(user_id, -1.0)
    for priority in range(5_000):
        priorities.put("a", float(priority))

    assert len(priorities._heap) <= 1_000
    assert priorities.first() == (-1.0, "b")


def test_compaction_keeps_the_order_of_the_remaining_priorities() -> None:
    """The users are added in another order than that of their priorities."""
    priorities: PriorityMap[float] = PriorityMap()
    for number in range(700):
        priorities.put(f"user-{number}", float(number * 7919 % 1009))
    for priority in range(1_000):
        priorities.put("user-0", 2_000.0 + priority)

    order = []
    while (first := priorities.first()) is not None:
        order.append(first[0])
        priorities.discard(first[1])

    assert order == sorted(order)
    assert len(order) == 700
