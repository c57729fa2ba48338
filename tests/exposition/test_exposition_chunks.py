"""Where users' lines are kept."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.users import chunk_count, chunk_index

WANTED = 256


@given(users=st.integers(0, 2_000_000), now=st.integers(1, 10_000))
def test_chunks_are_never_more_than_twice_as_full_as_wanted(users: int, now: int) -> None:
    """A change costs as much as its chunk is large."""
    count = chunk_count(users, now=now, wanted_users=WANTED)

    assert count >= 1
    assert users <= count * WANTED * 2


@given(users=st.integers(1, 2_000_000), now=st.integers(2, 10_000))
def test_chunks_are_never_less_than_half_as_full_as_wanted(users: int, now: int) -> None:
    """Small chunks compress badly, and every one of them is a step of every scrape."""
    count = chunk_count(users, now=now, wanted_users=WANTED)

    assert count == 1 or users * 2 >= count * WANTED


@given(users=st.integers(4 * WANTED, 1_000_000))
def test_a_fifth_of_the_users_may_come_or_go_before_anybody_moves(users: int) -> None:
    """An account at a bound would otherwise be rendered whole at every poll."""
    count = chunk_count(users, now=1, wanted_users=WANTED)

    counts = {
        chunk_count(nearby, now=count, wanted_users=WANTED)
        for nearby in (users * 4 // 5, users * 6 // 5)
    }

    assert counts == {count}


@given(user_ids=st.sets(st.uuids().map(str), min_size=1), count=st.integers(1, 1000))
def test_a_place_is_among_the_chunks(user_ids: set[str], count: int) -> None:
    """It follows from the id alone, so nothing has to remember it."""
    assert all(0 <= chunk_index(one, count=count) < count for one in user_ids)


def test_users_spread_evenly() -> None:
    """One chunk with everybody in it would be rendered at every change."""
    places = [chunk_index(f"user-{number}", count=10) for number in range(10_000)]

    assert all(800 < places.count(place) < 1200 for place in range(10))
