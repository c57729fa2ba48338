import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.cloudflare.wire import PIECE_BYTES, SummarySlicer, join, read_whole_summary
from exporter.errors import BadResponseError
from exporter.risk.model import KnownRows, SummaryReading
from tests.support.answers import Document, row, summary

SMALL = 64
"""Slices of a row or less, so that short bodies are cut in every possible way."""

Drawn: TypeAlias = st.SearchStrategy[object]

# Text made of what JSON itself is made of, so that cuts fall into strings.
tricky_text = st.text(alphabet='}],{["\\: \nuser"', max_size=12) | st.text(max_size=8)
values: Drawn = st.recursive(
    st.none() | st.booleans() | st.integers() | tricky_text,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["users", "result", "x"]) | tricky_text, inner)
    ),
    max_leaves=5,
)


def mostly(good: st.SearchStrategy[object], bad: st.SearchStrategy[object]) -> Drawn:
    """Draw what is bad about one time in sixteen: answers are bodies of many good rows."""
    return st.integers(0, 15).flatmap(lambda dice: bad if dice == 15 else good)


rows = st.builds(
    lambda user_id, name, count, extra, instant: row(
        user_id, name=name, event_count=count, extra=extra, last_event=instant
    ),
    st.sampled_from("abcdefghijklmnop") | tricky_text,
    tricky_text | st.none(),
    mostly(st.integers(0, 5), st.integers(-1, -1) | st.booleans()),
    values,
    mostly(st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]), st.just("soon")),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw an answer: keys in any order, spaces or none, unknown fields beside the known ones."""
    users = draw(mostly(st.lists(mostly(rows, values), max_size=12), values))
    known = draw(
        st.sampled_from([{"users": users}, {"x": 1, "users": users}, {"users": users, "x": 1}])
    )
    result = draw(mostly(st.just(known), values))
    success = draw(mostly(st.just(value=True), values))
    envelope: Document = {"success": success, "result": result}
    envelope.update(draw(st.dictionaries(st.sampled_from(["users", "errors", "z"]), values)))
    if draw(st.booleans()):
        envelope["result_info"] = {"total_pages": 2, "page": 1}
    document = {key: envelope[key] for key in draw(st.permutations(list(envelope)))}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n ", "\t:")]))
    return json.dumps(document, separators=separators, ensure_ascii=draw(st.booleans())).encode()


def pieces(body: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    """Cut a body into pieces of these lengths, and what is left."""
    start = 0
    for length in lengths:
        yield body[start : start + length]
        start += length
    yield body[start:]


def read_in_pieces(
    body: bytes, lengths: Iterable[int], known: KnownRows | None = None
) -> SummaryReading | None:
    """Read as the client does; None where the answer is refused."""
    slicer = SummarySlicer(slice_bytes=SMALL, known=known)
    try:
        read = [slicer.feed(piece) for piece in pieces(body, lengths)]
        last = slicer.finish().value
    except BadResponseError:
        return None
    return join([*(reading for reading in read if reading is not None), last])


def read_at_once(body: bytes) -> SummaryReading | None:
    """Read without any slices; None where the answer is refused."""
    try:
        return read_whole_summary(body).value
    except BadResponseError:
        return None


some_lengths = st.lists(st.integers(0, 200), max_size=40)


@given(bodies(), some_lengths)
def test_slices_joined_are_the_whole(body: bytes, lengths: list[int]) -> None:
    """However the bytes arrive, the reading is the one of the whole body, or no reading at all."""
    assert read_in_pieces(body, lengths) == read_at_once(body)


@given(bodies(), some_lengths, st.data())
def test_a_damaged_body_reads_the_same_in_slices(
    body: bytes, lengths: list[int], data: st.DataObject
) -> None:
    """A byte lost or changed on the way must be noticed in slices where it is in the whole."""
    at = data.draw(st.integers(0, len(body)))
    put = data.draw(st.sampled_from([b"", b"}", b"{", b'"', b"]", b",", b"\\", b"\xff", b"x"]))
    damaged = body[:at] + put + body[at + data.draw(st.integers(0, 2)) :]

    assert read_in_pieces(damaged, lengths) == read_at_once(damaged)


def learn(body: bytes, *, slice_bytes: int = SMALL) -> KnownRows:
    """Return the rows of a body by their fingerprints, as if the ledger had them all."""
    known: KnownRows = {}
    slicer = SummarySlicer(slice_bytes=slice_bytes, known=known)
    for piece in pieces(body, [100] * (len(body) // 100)):
        try:
            reading = slicer.feed(piece)
        except BadResponseError:
            break
        if reading is not None:
            known.update(zip(reading.fingerprints, reading.users, strict=False))
    return known


def contents(reading: SummaryReading | None) -> object:
    """What a reading says in any order, ties between two rows of one user left open."""
    if reading is None:
        return None
    users = {(user.user_id, user.last_event, user.level) for user in reading.users}
    return users, reading.unreadable, reading.kept


@given(bodies(), some_lengths, st.data())
def test_known_rows_change_nothing_of_what_is_read(
    body: bytes, lengths: list[int], data: st.DataObject
) -> None:
    """Recalled rows are those that decoding would give, in a good body and in a damaged one."""
    known = learn(body)
    at = data.draw(st.integers(0, len(body)))
    put = data.draw(st.sampled_from([b"", b"}", b"{", b'"', b"]", b",", b"},{", b"\\", b"x"]))
    damaged = body[:at] + put + body[at + data.draw(st.integers(0, 2)) :]

    for each in (body, damaged):
        read = contents(read_in_pieces(each, lengths, dict(known)))
        assert read == contents(read_at_once(each))


def compact(count: int, *, changed: int = -1) -> bytes:
    """Return a summary as the API writes it, without spaces; one user may have another event."""
    users = [
        row(f"u{number}", event_count=2 if number == changed else 1) for number in range(count)
    ]
    document = {"success": True, "result": {"users": users}}
    return json.dumps(document, separators=(",", ":")).encode()


def test_only_changed_rows_are_decoded() -> None:
    """What a poll costs depends on how many rows changed."""
    known = learn(compact(60), slice_bytes=1000)
    slicer = SummarySlicer(slice_bytes=1000, known=known)

    readings = feed_bytewise(slicer, compact(60, changed=30))

    assert [user.user_id for reading in readings for user in reading.users] == ["u30"]
    recalled = [user for reading in readings for user in reading.recalled]
    assert len(recalled) > 50
    values_of_known = {id(one) for one in known.values()}
    assert {id(user) for user in recalled} <= values_of_known


def test_nothing_is_recalled_without_known_rows() -> None:
    """A command reads one summary and compares it with nothing."""
    readings = feed_bytewise(SummarySlicer(slice_bytes=1000), compact(60))

    assert readings
    assert not any(reading.recalled or reading.fingerprints for reading in readings)


@given(st.integers(0, 400), some_lengths)
def test_a_body_cut_short_is_never_believed(missing: int, lengths: list[int]) -> None:
    """A connection may end anywhere; half the users would look gone."""
    body = summary([row(f"u{number}") for number in range(5)])

    assert read_in_pieces(body[: len(body) - 1 - missing], lengths) is None


@given(some_lengths)
@example([1] * 3000)
def test_success_may_come_after_the_rows(lengths: list[int]) -> None:
    """JSON objects have no order."""
    users = [row(f"u{number}") for number in range(9)]
    good = json.dumps({"result": {"users": users}, "success": True}).encode()
    failed = json.dumps({"result": {"users": users}, "success": False}).encode()

    reading = read_in_pieces(good, lengths)

    assert reading is not None
    assert len(reading.users) == 9
    assert read_in_pieces(failed, lengths) is None


def feed_bytewise(slicer: SummarySlicer, body: bytes) -> list[SummaryReading]:
    """Feed a byte at a time; return the slices that came out before the end."""
    read = (slicer.feed(body[at : at + 1]) for at in range(len(body)))
    return [reading for reading in read if reading is not None]


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_come_out_while_bytes_still_arrive(indent: int | None) -> None:
    """That is the point of it: no slice is much longer than was asked for."""
    document = json.loads(summary([row(f"u{number}") for number in range(50)]))
    slicer = SummarySlicer(slice_bytes=1000)
    read = feed_bytewise(slicer, json.dumps(document, indent=indent).encode())

    assert sum(len(reading.users) for reading in read) >= 40
    assert max(len(reading.users) for reading in read) <= 12


def test_nested_objects_and_hostile_names_are_cut_around() -> None:
    """A wrong cut costs a longer slice, not the whole body."""
    extra = {"extra": [{"a": 1}, {"b": 2}], "name": "},{"}
    slicer = SummarySlicer(slice_bytes=1000)
    read = feed_bytewise(slicer, summary([row(f"u{number}", **extra) for number in range(99)]))

    assert len(read) > 4
    assert sum(len(reading.users) for reading in read) >= 70


def test_another_array_of_users_is_not_taken_for_the_summary() -> None:
    """Only `result.users` is it."""
    decoys = [row(f"decoy{number}") for number in range(9)]
    body = summary([row("real")], messages=[{"users": decoys}], users=decoys)
    reordered = json.dumps({"users": decoys, **json.loads(body)}).encode()

    for each in (body, reordered):
        reading = read_in_pieces(each, [])
        assert reading is not None
        assert [user.user_id for user in reading.users] == ["real"]


def test_a_second_array_of_users_is_refused() -> None:
    """The last key wins in JSON, but slices of the first were already handed out."""
    users = json.dumps([row(f"u{number}") for number in range(9)])
    twice = f'{{"success":true,"result":{{"users":{users},"users":{users}}}}}'.encode()
    slicer = SummarySlicer(slice_bytes=SMALL)
    assert feed_bytewise(slicer, twice)

    with pytest.raises(BadResponseError) as caught:
        slicer.finish()
    assert caught.value.field == "result.users"


USERS = json.dumps({"users": [row("u1")]})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (f'{{"success":true,"result":{USERS},"result":{{"users":[]}}}}', "result"),
        (f'{{"success":true,"result":{{"users":[]}},"result":{USERS}}}', "result"),
        (f'{{"success":true,"result":null,"result":{USERS}}}', "result"),
        (f'{{"success":true,"result":{USERS},"r\\u0065sult":{{"users":[]}}}}', "result"),
        ('{"success":true,"result":{"users":[],"users":[]}}', "result.users"),
        ('{"success":true,"result":{"users":1,"users":[]}}', "result.users"),
        (f'{{"success":false,"success":true,"result":{USERS}}}', "success"),
        (f'{{"success":true,"errors":[1],"errors":[],"result":{USERS}}}', "errors"),
        (
            f'{{"success":true,"result":{USERS},"result_info":{{"page":1}},"result_info":{{}}}}',
            "result_info",
        ),
        (
            f'{{"success":true,"result":{USERS},"result_info":{{"total_pages":9,"total_pages":1}}}}',
            "result_info.total_pages",
        ),
        (f'{{"success":true,"result":{USERS},"Ada":1,"Ada":2}}', "a key"),
    ],
)
def test_a_key_that_stands_there_twice_refuses_the_answer(body: str, field: str) -> None:
    """JSON leaves open which of them counts, and either may hide users."""
    for read in (SummarySlicer(slice_bytes=SMALL), SummarySlicer()):
        read.feed(body.encode())
        with pytest.raises(BadResponseError, match="duplicate key") as caught:
            read.finish()
        assert caught.value.field == field


def test_keys_of_rows_and_unknown_objects_may_repeat() -> None:
    """A row concerns one user, and `event_details` and the like concern nothing that is read."""
    twice = '{"result":1,"result":2,"users":[],"users":[]}'
    body = summary([row("u1", extra="HERE")], messages="HERE").replace(b'"HERE"', twice.encode())

    reading = read_in_pieces(body, [])

    assert reading is not None
    assert [user.user_id for user in reading.users] == ["u1"]


def feed_all(body: bytes) -> None:
    """Feed a body in pieces of a network's size, and finish."""
    slicer = SummarySlicer()
    feed_pieces(slicer, body)
    slicer.finish()


def feed_pieces(slicer: SummarySlicer, body: bytes) -> None:
    """Feed a body in pieces of a network's size."""
    for start in range(0, len(body), PIECE_BYTES):
        slicer.feed(body[start : start + PIECE_BYTES])


MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "rows_then_filler",
    [
        [row("u1"), row("u2", name="x" * (MEBIBYTE + 1)), row("u3")],
        [row("u2", name="x" * (MEBIBYTE + 1))],
        [row("u2", extra="},{" * 400_000)],
        [row("u1"), row("u2", extra=[{}] * 400_000)],
    ],
)
def test_a_row_of_more_than_a_mebibyte_refuses_the_answer(rows_then_filler: list[object]) -> None:
    """A real row has two hundred bytes; one gigantic row would be held several times."""
    with pytest.raises(BadResponseError, match="row"):
        feed_all(summary(rows_then_filler))


def test_rows_up_to_a_mebibyte_are_read() -> None:
    """The bound is far from what is real, and exact enough to be relied on."""
    feed_all(summary([row(f"u{n}", extra="x" * (MEBIBYTE - 500)) for n in range(3)]))


@pytest.mark.parametrize(
    "endless",
    [
        b'{"success":true,"result":{"users":[{"user_id":"' + b"x" * 9 * MEBIBYTE,
        b'{"success":true,"result":{"users":[' + b"[" * 9 * MEBIBYTE,
        b'{"success":true,"messages":["' + b"x" * 9 * MEBIBYTE,
        b"{" + b" " * 9 * MEBIBYTE,
    ],
)
def test_eight_mebibytes_without_the_end_of_a_row_are_refused_at_once(endless: bytes) -> None:
    """Not held until the body ends, which may be a quarter of a gigabyte later."""
    slicer = SummarySlicer()
    with pytest.raises(BadResponseError, match="without the end of a row"):
        feed_pieces(slicer, endless)


def test_an_answer_of_tiny_values_is_refused_before_it_is_decoded() -> None:
    """Two bytes on the wire are sixty in memory once they are objects."""
    with pytest.raises(BadResponseError, match="too many values"):
        read_whole_summary(summary([0] * 600_000))


def test_more_unreadable_rows_than_a_summary_has_are_refused() -> None:
    """The user of each would have to be remembered."""
    rows_of_ids = [{"user_id": str(number)} for number in range(100_001)]
    with pytest.raises(BadResponseError, match="not as documented"):
        feed_all(summary(rows_of_ids))


@pytest.mark.parametrize("changes", [{"name": "x" * 1025}, {"email": "x" * 1025}])
def test_a_row_with_an_absurd_text_costs_only_itself(changes: dict[str, object]) -> None:
    """Names and emails are kept for days, so they are bounded."""
    reading = read_in_pieces(summary([row("u1"), row("u2", **changes)]), [])

    assert reading is not None
    assert [user.user_id for user in reading.users] == ["u1"]
    assert reading.kept == {"u2"}


def test_the_number_of_pages_may_come_last() -> None:
    """It stands beside the result, usually behind it."""
    body = summary(
        [row(f"u{number}") for number in range(9)], result_info={"page": 2, "total_pages": 3}
    )
    slicer = SummarySlicer(page=2, slice_bytes=SMALL)
    assert feed_bytewise(slicer, body)

    assert slicer.finish().total == 3


def test_half_a_surrogate_pair_does_not_hold_up_the_slices() -> None:
    """One odd name must not turn the rest into one long slice."""
    body = summary([row(f"u{number}", name="NAME") for number in range(50)])
    slicer = SummarySlicer(slice_bytes=1000)
    read = feed_bytewise(slicer, body.replace(b"NAME", rb"\ud800"))

    assert len(read) > 5
    assert {user.name for reading in read for user in reading.users} == {"\ufffd"}


def test_one_bad_row_of_a_slice_loses_no_other() -> None:
    """The same law as for the whole body."""
    users = [row(f"u{number}", event_count=-1 if number == 5 else 1) for number in range(20)]
    reading = read_in_pieces(summary(users), [])

    assert reading is not None
    assert len(reading.users) == 19
    assert reading.kept == {"u5"}
