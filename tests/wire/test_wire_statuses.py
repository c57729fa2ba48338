import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloudflare.wire import Response, check_status, read_retry_after
from exporter.errors import (
    BadResponseError,
    ForbiddenError,
    NotFoundError,
    PollError,
    RejectedError,
    ServerError,
    StatusError,
    ThrottledError,
    UnauthorizedError,
)

HTML = b"<!DOCTYPE html><title>api.cloudflare.com | 520: Web server is returning an error</title>"


def refusal(*errors: object) -> bytes:
    """Put errors into the envelope of a refusal."""
    return json.dumps({"success": False, "errors": errors, "result": None}).encode()


def error_of(
    status: int, body: bytes = b"", *, quotes_api: bool = False, **headers: str
) -> PollError:
    """Return what is raised for a status that is not a good one."""
    response = Response(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)
    retry_after = read_retry_after(response.headers, now=1000.0)
    with pytest.raises(PollError) as caught:
        check_status(response, retry_after=retry_after, quotes_api=quotes_api)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_good_status_is_no_error(status: int) -> None:
    """What the body says is the reader's business."""
    check_status(Response(status, {}, b""))


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, RejectedError, "bad_response"),
        (401, UnauthorizedError, "unauthorized"),
        (403, ForbiddenError, "forbidden"),
        (404, NotFoundError, "not_found"),
        (405, RejectedError, "bad_response"),
        (409, RejectedError, "bad_response"),
        (422, RejectedError, "bad_response"),
        (429, ThrottledError, "rate_limited"),
        (500, ServerError, "server_error"),
        (502, ServerError, "server_error"),
        (503, ServerError, "server_error"),
        *((status, ServerError, "server_error") for status in range(520, 531)),
        (999, ServerError, "server_error"),
    ],
)
@pytest.mark.parametrize("body", [b"", HTML, refusal(), b'{"success": false, "err', b"\xff\x00"])
def test_each_status_has_its_error_whatever_the_body(
    status: int, error: type[StatusError], reason: str, body: bytes
) -> None:
    """From the edge, errors are HTML or nothing at all."""
    caught = error_of(status, body)

    assert type(caught) is error
    assert caught.reason == reason
    assert isinstance(caught, StatusError)
    assert caught.status == status
    assert "DOCTYPE" not in str(caught)


@pytest.mark.parametrize("status", [203, 205, 206, 207, 226, 299])
def test_a_success_that_is_no_whole_answer_is_a_bad_response(status: int) -> None:
    """206 is a part of a body: its users would be taken for all users."""
    caught = error_of(status, refusal())

    assert isinstance(caught, BadResponseError)
    assert caught.field == "status"


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_a_bad_response(status: int) -> None:
    """To follow it would hand the token to somebody else."""
    caught = error_of(status, location="https://evil.example/")

    assert isinstance(caught, BadResponseError)
    assert caught.field == "status"
    assert "evil" not in str(caught)


def test_being_throttled_says_for_how_long() -> None:
    """After a 429 nothing is asked until the API said."""
    caught = error_of(429, refusal({"code": 971, "message": "slow down"}), retry_after="300")

    assert isinstance(caught, ThrottledError)
    assert caught.retry_after_seconds == 300.0
    assert caught.codes == (971,)
    assert str(caught) == (
        "HTTP 429: code 971 too many requests; the API refuses this token for 300 s"
    )


@pytest.mark.parametrize("retry_after", ["3601", "999999999", "Tue, 01 Jan 2058 00:00:00 GMT"])
def test_an_absurd_retry_after_is_capped_and_the_message_says_so(retry_after: str) -> None:
    """A mistake in one header must not silence the exporter for years."""
    caught = error_of(429, retry_after=retry_after)

    assert isinstance(caught, ThrottledError)
    assert caught.retry_after_seconds == 3600.0
    assert "for 3600 s (its Retry-After is longer and is capped at one hour)" in str(caught)


def test_being_throttled_without_a_time_says_so() -> None:
    """Older edges send no Retry-After."""
    caught = error_of(429, HTML)

    assert "does not say for how long" in str(caught)
    assert isinstance(caught, ThrottledError)
    assert caught.retry_after_seconds is None


def test_a_refusal_says_what_the_api_says_and_of_which_field() -> None:
    """Whoever creates an integration must learn which field is wrong."""
    errors = [
        {"code": 1003, "message": "is not a URL", "source": {"pointer": "/tenant_url"}},
        {"code": 1004, "message": "unknown type", "source": None},
        {"message": "no code"},
    ]

    caught = error_of(400, refusal(*errors), quotes_api=True)

    assert str(caught) == (
        "HTTP 400: code 1003 is not a URL at /tenant_url; code 1004 unknown type; no code"
    )
    assert isinstance(caught, RejectedError)
    assert caught.codes == (1003, 1004)


PRIVATE = (
    "ada@example.com",
    "Ada Lovelace",
    "aaaaaaaa-0000-4000-8000-000000000001",
    "0123456789abcdef0123456789abcdef",
    "s3cr3t-T0ken_with-forty-characters-in-it",
)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_an_error_says_what_its_code_means_and_nothing_the_api_wrote(status: int) -> None:
    """The API's sentences name users, and every failed poll is logged."""
    message = f"no access to {', '.join(PRIVATE)}"
    errors = [
        {"code": 10000, "message": message, "source": {"pointer": f"/{PRIVATE[0]}"}},
        {"code": 77, "message": message},
        {"message": message},
    ]

    text = str(error_of(status, refusal(*errors)))

    assert text.startswith(f"HTTP {status}: code 10000 authentication error; code 77")
    assert not [one for one in PRIVATE if one in text]


@pytest.mark.parametrize("quote", ['"{}"', "'{}'", "`{}`", "\u201c{}\u201d", '"{}'])
def test_the_apis_words_about_a_request_with_a_body_are_redacted(quote: str) -> None:
    """They say which field is wrong; quoted values, emails, ids and tokens are left out."""
    quoted = quote.format("Ada Lovelace")
    message = f"{PRIVATE[0]} of {PRIVATE[2]} ({PRIVATE[3]}, {PRIVATE[4]}) is not {quoted}"
    errors = [{"code": 1003, "message": message, "source": {"pointer": f"/{PRIVATE[2]}"}}]

    text = str(error_of(400, refusal(*errors), quotes_api=True))

    assert text == "HTTP 400: code 1003 … of … (…, …) is not …"


@pytest.mark.parametrize("code", [-1, 10**9, 10**300])
def test_a_number_that_is_no_code_is_not_repeated(code: int) -> None:
    """A message has no received bytes, digits included."""
    assert str(error_of(400, refusal({"code": code, "message": "x"}))) == "HTTP 400"


def test_explanations_are_bounded_and_cannot_steer_a_terminal() -> None:
    """They are printed in logs and terminals, and come from outside."""
    hostile = [{"code": n, "message": "\x1b[31m\r\n\u202e" + "x" * 9999} for n in range(50)]

    text = str(error_of(400, refusal(*hostile), quotes_api=True))

    assert text.isprintable()
    assert len(text) < 1000


@pytest.mark.parametrize(
    "errors", [None, 7, {}, [None], [[]], [{"code": "x"}], [{"message": 1}], [{"source": 1}]]
)
def test_explanations_of_the_wrong_shape_do_not_hide_the_status(errors: object) -> None:
    """The status is known; an odd envelope must not turn it into a bad response."""
    body = json.dumps({"success": False, "errors": errors}).encode()

    assert type(error_of(404, body)) is NotFoundError


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (400, 6003, "Invalid request headers", UnauthorizedError),
        (403, 9109, "Invalid access token", UnauthorizedError),
        (403, 9109, "Unauthorized to access requested resource", ForbiddenError),
        (403, 10000, "Authentication error", ForbiddenError),
        (401, 10000, "Authentication error", UnauthorizedError),
        (400, 9109, "something else", RejectedError),
    ],
)
def test_a_bad_token_is_told_from_a_missing_permission(
    status: int, code: int, message: str, error: type[StatusError]
) -> None:
    """One is cured by another token, the other by a permission; Cloudflare mixes the statuses."""
    assert type(error_of(status, refusal({"code": code, "message": message}))) is error


def test_a_response_does_not_show_its_body() -> None:
    """Bodies hold names and emails; a repr ends in logs."""
    assert "mallory" not in repr(Response(200, {}, b"mallory@example.com"))


@given(st.integers(100, 999).filter(lambda n: not 200 <= n < 300), st.binary())
def test_any_other_status_is_a_poll_error(status: int, body: bytes) -> None:
    """Whatever the world says is a value to us, never a crash."""
    assert error_of(status, body).reason
