import json
from collections.abc import Callable

import pytest

from exporter.cloudflare.wire import (
    check_success,
    read_behaviors,
    read_changes,
    read_integration,
    read_integrations,
    read_user,
)
from exporter.errors import BadResponseError
from exporter.risk.model import (
    Behavior,
    BehaviorChange,
    Integration,
    RiskEvent,
    RiskLevel,
    UserDetails,
)
from tests.support.answers import answer, event, integration, user

NEW_YEAR = 1767225600.0
TRAVEL = {
    "name": "Impossible travel",
    "description": "Too fast",
    "enabled": True,
    "risk_level": "high",
}


def test_a_user_has_their_events_in_the_apis_order() -> None:
    """Equal events may stand twice: whether an id is unique is open."""
    body = answer(user(event("b"), event("a", risk_level="severe"), event("b")))

    assert read_user(body) == UserDetails(
        email="u1@example.com",
        name="Name of u1",
        events=(
            RiskEvent("b", "Impossible travel", RiskLevel.HIGH, NEW_YEAR),
            RiskEvent("a", "Impossible travel", RiskLevel.UNKNOWN, NEW_YEAR),
            RiskEvent("b", "Impossible travel", RiskLevel.HIGH, NEW_YEAR),
        ),
        last_reset=None,
        level=RiskLevel.HIGH,
    )


@pytest.mark.parametrize("events", [[], None])
def test_a_user_may_have_no_events(events: object) -> None:
    """Null is how some servers write an empty list."""
    assert read_user(answer(user(events=events))).events == ()


def test_what_is_optional_of_a_user_may_be_missing() -> None:
    """Only the events are promised."""
    assert read_user(answer({"events": []})) == UserDetails(email="", name="", events=())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-01-01T00:00:00Z", NEW_YEAR), (None, None), ("0001-01-01T00:00:00Z", None)],
)
def test_a_score_never_cleared_has_no_reset(text: str | None, seconds: float | None) -> None:
    """Go's zero time means "never"; taken at its word it would be a reset in the year 1."""
    assert read_user(answer(user(last_reset_time=text))).last_reset == seconds


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        event(id=None),
        event(id=7),
        event(name=None),
        event(risk_level=None),
        event(timestamp="2026-01-01"),
        {},
    ],
)
def test_one_bad_event_loses_no_other(bad: object) -> None:
    """The others still count; that one was not understood is said."""
    details = read_user(answer(user(event("a"), bad, event("c"))))

    assert [e.id for e in details.events] == ["a", "c"]
    assert details.unreadable_events == 1


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (None, "result"),
        ([], "result"),
        ({}, "result"),
        (user(events={}), "result.events"),
        (user(last_reset_time="soon"), "result.last_reset_time"),
        (user(risk_level=2), "result.risk_level"),
        (user(email=2), "result.email"),
    ],
)
def test_wrong_details_are_refused_by_field(result: object, field: str) -> None:
    """A guessed reset would count as one."""
    with pytest.raises(BadResponseError) as caught:
        read_user(answer(result))
    assert caught.value.field == field


def test_event_details_may_be_anything() -> None:
    """They are for people, and not read."""
    body = answer(user(event(event_details=[{"x": [None, 1e300]}]))).replace(b"1e+300", b"1e400")

    assert b"1e400" in body
    assert read_user(body).events


def test_behaviors_are_read_by_their_keys() -> None:
    """New ones appear from time to time: they are data."""
    page = read_behaviors(answer({"behaviors": {"imp_travel": TRAVEL, "new": {**TRAVEL}}}))

    assert page.value.values[0] == Behavior(
        "imp_travel",
        "Impossible travel",
        "Too fast",
        enabled=True,
        level=RiskLevel.HIGH,
    )
    assert [behavior.key for behavior in page.value.values] == ["imp_travel", "new"]


def test_a_behavior_may_lack_its_prose() -> None:
    """What is set matters more than what it is called."""
    bare = {"enabled": False, "risk_level": "low", "name": None}
    (behavior,) = read_behaviors(answer({"behaviors": {"x": bare}})).value.values

    assert (behavior.name, behavior.description) == ("", "")


@pytest.mark.parametrize("change", [{"enabled": 1}, {"enabled": None}, {"risk_level": None}])
def test_one_bad_behavior_loses_no_other(change: dict[str, object]) -> None:
    """It is counted, and the others are shown."""
    rows = read_behaviors(answer({"behaviors": {"a": TRAVEL, "b": {**TRAVEL, **change}}})).value

    assert [behavior.key for behavior in rows.values] == ["a"]
    assert rows.unreadable == 1


@pytest.mark.parametrize(
    ("result", "field"), [({}, "result"), ({"behaviors": []}, "result.behaviors")]
)
def test_behaviors_of_the_wrong_shape_are_refused(result: object, field: str) -> None:
    """No behaviors at all would look like a policy that was taken away."""
    with pytest.raises(BadResponseError) as caught:
        read_behaviors(answer(result))
    assert caught.value.field == field


def test_what_was_set_is_read_back() -> None:
    """The answer to a change carries nothing else."""
    body = answer({"behaviors": {"dlp": {"enabled": False, "risk_level": "medium"}}})

    assert read_changes(body) == {"dlp": BehaviorChange(enabled=False, level=RiskLevel.MEDIUM)}


def test_a_change_read_back_wrongly_is_refused() -> None:
    """Whoever changed something wants to know all of what is set now."""
    with pytest.raises(BadResponseError) as caught:
        read_changes(answer({"behaviors": {"dlp": {"enabled": "no", "risk_level": "low"}}}))
    assert caught.value.field == "result.behaviors[...].enabled"


EXPECTED = Integration(
    integration_id="i1",
    integration_type="Okta",
    tenant_url="https://example.okta.com",
    reference_id="ref",
    active=True,
    created_at=NEW_YEAR,
    account_tag="acc",
    well_known_url="https://example.com/.well-known",
)


def test_an_integration_is_read_whole() -> None:
    """The common case, alone and in a list."""
    assert read_integration(answer(integration())) == EXPECTED
    assert read_integrations(answer([integration()])).value.values == (EXPECTED,)


def test_what_is_optional_of_an_integration_may_be_missing() -> None:
    """A client need not give a reference."""
    bare = integration(reference_id=None, account_tag=None)
    del bare["well_known_url"]
    read = read_integration(answer(bare))

    assert (read.reference_id, read.account_tag, read.well_known_url) == ("", "", "")


def test_one_bad_integration_loses_no_other() -> None:
    """It is counted, and the others are shown."""
    listed = [integration("a"), integration("b", active=None), integration(""), 7]
    rows = read_integrations(answer(listed)).value

    assert [row.integration_id for row in rows.values] == ["a"]
    assert rows.unreadable == 3


def test_an_integration_listed_twice_is_one() -> None:
    """Two series with the same labels would make a scrape invalid."""
    listed = [integration("a", active=False), integration("a", active=True)]

    assert [row.active for row in read_integrations(answer(listed)).value.values] == [True]


@pytest.mark.parametrize("result", [None, {}, "x"])
def test_a_list_of_integrations_must_be_a_list(result: object) -> None:
    """Null is not "none at all"."""
    with pytest.raises(BadResponseError) as caught:
        read_integrations(answer(result))
    assert caught.value.field == "result"


def test_one_integration_must_be_right_in_every_field() -> None:
    """Whoever asked for it sees what is wrong with it."""
    with pytest.raises(BadResponseError) as caught:
        read_integration(answer(integration(created_at="today")))
    assert caught.value.field == "result.created_at"


@pytest.mark.parametrize("body", [b"", answer(None), answer({"id": "x"}), b'{"success":true}'])
def test_a_yes_needs_no_result(body: bytes) -> None:
    """Reset and delete answer with nothing worth reading."""
    check_success(body)


@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", answer(None, success=False)])
def test_anything_but_a_yes_is_refused(body: bytes) -> None:
    """A reset that did not happen must not look done."""
    with pytest.raises(BadResponseError):
        check_success(body)


def test_a_document_without_ascii_reads_as_one_with_escapes() -> None:
    """JSON has two spellings for the same text."""
    document = json.loads(answer(user(event(), name="Zoë \U0001f600")))

    assert read_user(json.dumps(document, ensure_ascii=False).encode()) == read_user(
        json.dumps(document).encode()
    )


@pytest.mark.parametrize(
    ("result", "field"),
    [
        ('{"events":[],"events":[]}', "result.events"),
        ('{"events":[],"risk_level":"low","risk_level":"high"}', "result.risk_level"),
        ('{"events":[],"last_reset_time":null,"last_reset_time":null}', "result.last_reset_time"),
        ('{"behaviors":{},"behaviors":{}}', "result.behaviors"),
        ('{"behaviors":{"imp_travel":1,"imp_travel":2}}', "result.behaviors.a key"),
        ('{"id":"i1","active":false,"active":true}', "result.a key"),
        ('{},"result":{}', "result"),
    ],
)
@pytest.mark.parametrize(
    "read", [read_user, read_behaviors, read_changes, read_integration, check_success]
)
def test_a_key_that_stands_there_twice_refuses_any_answer(
    read: Callable[[bytes], object], result: str, field: str
) -> None:
    """JSON leaves open which of them counts."""
    with pytest.raises(BadResponseError, match="duplicate key") as caught:
        read(f'{{"success":true,"result":{result}}}'.encode())
    assert caught.value.field == field


def test_the_keys_of_events_may_repeat() -> None:
    """`event_details` is anything; an event with a key twice is one event."""
    body = answer(user(event("e1"))).replace(b'"from":"Oslo"', b'"from":"Oslo","from":"Rome"')

    assert len(read_user(body).events) == 1


def test_texts_of_an_absurd_length_are_not_kept() -> None:
    """An event's id and name are kept for as long as the API lists the user."""
    details = read_user(answer(user(event("e1"), event("x" * 1025), event("e2", name="x" * 1025))))

    assert [one.id for one in details.events] == ["e1"]
    assert details.unreadable_events == 2
    with pytest.raises(BadResponseError):
        read_user(answer(user(name="x" * 1025)))


@pytest.mark.parametrize("body", [answer(None), b'{"success":true}'])
def test_a_null_result_is_named_as_such(body: bytes) -> None:
    """`true` is as long as `null`, and is rejected for its type instead."""
    with pytest.raises(BadResponseError, match=r"^result: null or missing$"):
        read_user(body)
    with pytest.raises(BadResponseError, match=r"^result: Expected"):
        read_user(answer(True))
