import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloudflare.wire import join, newer, read_summary, read_whole_summary
from exporter.errors import BadResponseError
from exporter.risk.model import RiskLevel, SummaryReading, UserSummary
from tests.support.answers import answer, row, summary

NEW_YEAR = 1767225600.0


def read(body: bytes) -> SummaryReading:
    """Read both ways, which must agree."""
    whole = read_whole_summary(body).value
    assert read_summary(body).value == whole
    return whole


def refused(body: bytes) -> BadResponseError:
    """Return the error of a body that is refused, alike in slices and as a whole."""
    with pytest.raises(BadResponseError) as caught:
        read_whole_summary(body)
    with pytest.raises(BadResponseError) as caught_in_slices:
        read_summary(body)
    assert caught.value.field == caught_in_slices.value.field
    return caught.value


def test_a_row_becomes_a_user() -> None:
    """The common case."""
    assert read(summary([row()])).users == (
        UserSummary("u1", "u1@example.com", "Name of u1", 3, NEW_YEAR, RiskLevel.LOW),
    )


def test_an_empty_list_is_believed_from_a_good_answer() -> None:
    """Then truly nobody is at risk."""
    reading = read(summary([]))

    assert reading == SummaryReading(())
    assert reading.absence_is_proof


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"<html>ok</html>", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"{}", "body"),
        (summary([row()])[:-1], "body"),
        (summary([row()])[:-30], "body"),
        (summary([row()]) + b"x", "body"),
        (summary([row()], success=False), "success"),
        (summary([row()], success=None), "success"),
        (summary([row()], success="true"), "success"),
        (summary([row()], success=1), "success"),
        (answer(None), "result"),
        (b'{"success": true}', "result"),
        (answer([]), "result"),
        (answer("null"), "result"),
        (answer({}), "result"),
        (answer({"users": None}), "result.users"),
        (answer({"users": {}}), "result.users"),
        (answer({"users": "[]"}), "result.users"),
        (summary([], result_info={"total_pages": "2"}), "result_info.total_pages"),
        (summary([], result_info={"total_pages": -1}), "result_info.total_pages"),
        (summary([], result_info={"total_pages": 10**9}), "result_info.total_pages"),
        (summary([], result_info={"page": 2, "total_pages": 2}), "result_info.page"),
        (summary([], result_info=[]), "result_info"),
        (b"\xef\xbb\xbf" + summary([]), "body"),
        (b"\xff\xfe{}", "body"),
        (answer({"users": []}, extra=None).replace(b"null", b"[" * 100_000), "body"),
    ],
)
def test_a_wrong_answer_is_refused_by_the_name_of_its_field(body: bytes, field: str) -> None:
    """To read any of these as "nobody is at risk" would be a false all-clear."""
    assert refused(body).field == field


def test_a_refusal_with_a_good_status_says_its_codes() -> None:
    """`success` is the API's own word, whatever the status."""
    errors = [{"code": 10000, "message": "Authentication error"}]

    assert "codes: 10000" in str(refused(summary([], success=False, errors=errors)))
    assert "codes: none" in str(refused(summary([], success=False)))


def test_no_message_repeats_the_answer() -> None:
    """It may hold somebody's name, and ends in logs."""
    body = answer({"users": "mallory@example.com"})

    assert "mallory" not in str(refused(body))
    assert "mallory" not in str(refused(b'{"mallory": "mallory"'))


@pytest.mark.parametrize("info", [None, {}, {"total_pages": None}, {"total_pages": 0}, {"page": 1}])
def test_an_answer_that_speaks_of_no_pages_is_the_only_one(info: object) -> None:
    """The API documents no pages for the summary."""
    assert read_summary(summary([], result_info=info)).total == 1


def test_a_later_page_is_read_when_it_was_asked_for() -> None:
    """Should the API ever page."""
    body = summary([row()], result_info={"page": 2, "total_pages": 3})

    assert read_summary(body, page=2).total == 3


def test_what_is_unknown_is_ignored() -> None:
    """The API adds fields without notice."""
    assert read(summary([row(new={"users": [{}]})], users=[{}], extra=[1])).users


@pytest.mark.parametrize("value", ["critical", "none", "", "HIGH", "\u0000"])
def test_a_level_without_a_word_for_it_is_unknown(value: str) -> None:
    """It never fails a poll."""
    assert read(summary([row(max_risk_level=value)])).users[0].level is RiskLevel.UNKNOWN


@pytest.mark.parametrize("field", ["email", "name"])
def test_names_may_be_null_or_missing(field: str) -> None:
    """Who a user is matters less than how risky they are."""
    missing = row()
    del missing[field]

    assert read(summary([{**row(), field: None}])) == read(summary([missing]))
    assert getattr(read(summary([missing])).users[0], field) == ""


@given(st.text())
def test_names_may_be_any_text(name: str) -> None:
    """Quotes, newlines, cuts like `},{`, any Unicode; JSON written with and without escapes."""
    document = json.loads(summary([row(name=name), row("u2")]))
    plain = json.dumps(document, ensure_ascii=False).encode()

    assert read(plain).users[0].name == name
    assert read(json.dumps(document).encode()).users[0].name == name


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        (r"\ud800", "\ufffd"),
        (r"\udc00", "\ufffd"),
        (r"a\uD800b", "a\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
        (r"\ud800\n", "\ufffd\n"),
        (r"\ud800\u0041", "\ufffdA"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(escaped: str, name: str) -> None:
    """It is legal JSON and no text: refused, it would cost the whole poll for one odd name."""
    body = summary([row(name="NAME"), row("u2")]).replace(b"NAME", escaped.encode())
    reading = read(body)

    assert [user.name for user in reading.users] == [name, "Name of u2"]
    assert reading.unreadable == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01t00:00:00z", NEW_YEAR),
        ("2026-01-01T02:00:00+02:00", NEW_YEAR),
        ("2025-12-31T18:30:00-05:30", NEW_YEAR),
        ("2026-01-01T00:00:00.5Z", NEW_YEAR + 0.5),
        ("2026-01-01T00:00:00.123456789Z", NEW_YEAR + 0.123457),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("0001-01-01T00:00:00+23:59", -62135683140.0),
        ("9999-12-31T23:59:59-23:59", 253402387139.0),
    ],
)
def test_instants_are_rfc_3339(text: str, seconds: float) -> None:
    """With nanoseconds, offsets, either case; beyond a microsecond a float holds nothing."""
    assert read(summary([row(last_event=text)])).users[0].last_event == seconds


BAD_FIELDS = [
    ("event_count", -1),
    ("event_count", True),
    ("event_count", 1.5),
    ("event_count", "3"),
    ("event_count", None),
    ("event_count", 2**63),
    ("last_event", None),
    ("last_event", ""),
    ("last_event", 1767225600),
    ("last_event", "2026-01-01"),
    ("last_event", "2026-01-01T00:00:00"),
    ("last_event", "2026-13-01T00:00:00Z"),
    ("last_event", "yesterday"),
    ("max_risk_level", None),
    ("max_risk_level", 3),
    ("name", 7),
    ("email", ["x"]),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_one_bad_row_loses_no_other_and_keeps_its_name(field: str, value: object) -> None:
    """That user keeps their last good row; the others are as fresh as can be."""
    reading = read(summary([row("a"), row("b", **{field: value}), row("c")]))

    assert [user.user_id for user in reading.users] == ["a", "c"]
    assert reading.unreadable == 1
    assert reading.kept == {"b"}
    assert reading.absence_is_proof


@pytest.mark.parametrize("field", ["event_count", "last_event", "max_risk_level"])
def test_a_row_without_a_fact_is_unreadable(field: str) -> None:
    """A default would be an invention."""
    bad = row("b")
    del bad[field]

    assert read(summary([row("a"), bad])).kept == {"b"}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        "text",
        [],
        {},
        row(user_id=""),
        row(user_id=None),  # type: ignore[arg-type] # what the API should not send
        row(user_id=5),  # type: ignore[arg-type] # what the API should not send
        row(user_id=".."),
        row(user_id="summary"),
    ],
)
def test_a_row_that_names_nobody_leaves_absence_unproved(bad: object) -> None:
    """It may be anybody's row, so nobody may be taken for gone."""
    reading = read(summary([row("a"), bad]))

    assert [user.user_id for user in reading.users] == ["a"]
    assert (reading.unreadable, reading.kept) == (1, frozenset())
    assert not reading.absence_is_proof


def test_a_row_that_is_not_utf_8_is_one_bad_row() -> None:
    """A byte of another encoding in one name must not cost the poll."""
    body = summary([row("a"), row("b", name="NAME")]).replace(b"NAME", b"caf\xe9")

    assert read(body).kept == {"b"}


def test_of_two_rows_of_a_user_the_later_event_counts_then_the_higher_level() -> None:
    """One user has one set of series; their freshest and worst state is the one to show."""
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    reading = read(
        summary(
            [
                row("a", last_event=late, max_risk_level="low", event_count=1),
                row("b"),
                row("a", last_event=early, max_risk_level="high", event_count=2),
                row("a", last_event=late, max_risk_level="medium", event_count=3),
            ]
        )
    )

    assert [(user.user_id, user.event_count) for user in reading.users] == [("a", 3), ("b", 3)]


def test_joined_readings_have_one_row_a_user() -> None:
    """Slices and pages may repeat a user."""
    first = read(summary([row("a", event_count=1), row("b", event_count=True)]))
    second = read(summary([row("a", event_count=2, max_risk_level="high"), None]))

    joined = join([first, second])

    assert [user.event_count for user in joined.users] == [2]
    assert joined.unreadable == 2
    assert joined.kept == {"b"}


def test_equal_rows_are_one() -> None:
    """Nothing speaks for either, so the first stays."""
    (user,) = read(summary([row()])).users

    assert newer(user, user) is user
