from collections.abc import Iterator

import pytest

from exporter.errors import (
    DENIED_RETRY_SECONDS,
    POLL_ERRORS,
    BadResponseError,
    ForbiddenError,
    NetworkError,
    NotFoundError,
    PollError,
    RejectedError,
    Scope,
    ServerError,
    ThrottledError,
    TimedOutError,
    TlsError,
    UnauthorizedError,
)


def subclasses(parent: type[PollError]) -> Iterator[type[PollError]]:
    """Yield every class below `parent` that has a reason."""
    for child in parent.__subclasses__():
        if hasattr(child, "reason"):
            yield child
        yield from subclasses(child)


@pytest.mark.parametrize(
    ("error", "scope", "is_transient", "denies_access", "delay"),
    [
        (TimedOutError(""), Scope.REQUEST, True, False, 0.0),
        (NetworkError(""), Scope.REQUEST, True, False, 0.0),
        (TlsError(""), Scope.API, False, False, 0.0),
        (ThrottledError("", retry_after_seconds=7.0), Scope.TOKEN, True, False, 7.0),
        (ThrottledError(""), Scope.TOKEN, True, False, 0.0),
        (UnauthorizedError("", status=401), Scope.TOKEN, False, True, DENIED_RETRY_SECONDS),
        (ForbiddenError("", status=403), Scope.ACCOUNT, False, True, DENIED_RETRY_SECONDS),
        (NotFoundError("", status=404), Scope.REQUEST, False, False, 0.0),
        (ServerError("", status=500), Scope.REQUEST, True, False, 0.0),
        (BadResponseError("", field="body"), Scope.REQUEST, True, False, 0.0),
        (RejectedError("", status=400), Scope.REQUEST, False, False, 0.0),
    ],
)
def test_the_facts_of_an_error_stand_on_its_class(
    error: PollError, scope: Scope, *, is_transient: bool, denies_access: bool, delay: float
) -> None:
    """Pollers, backfill and pages decide by these facts and know no classes."""
    assert error.scope is scope
    assert error.is_transient is is_transient
    assert error.denies_access is denies_access
    assert error.retry_delay_seconds == delay


def test_every_error_with_a_reason_is_listed() -> None:
    """`poll_failures_total` starts at 0 for every reason of the list."""
    raised = {kind for kind in subclasses(PollError) if kind.__module__ == "exporter.errors"}

    assert raised == set(POLL_ERRORS)


def test_advice_stands_between_the_message_and_the_ray() -> None:
    """A person reads first what failed, then what to do, then what to quote to the support."""
    error = ForbiddenError("HTTP 403", status=403)
    error.ray_id = "8a1b-FRA"
    error.advice = error.remedy("Zero Trust Read")

    assert str(error) == (
        "HTTP 403; the token lacks the permission 'Zero Trust Read' for this account,"
        " or the account's plan has no risk scoring (CF-RAY 8a1b-FRA)"
    )


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (UnauthorizedError("", status=401), "replace it"),
        (NotFoundError("", status=404), "account id"),
    ],
)
def test_a_remedy_says_what_to_do(error: PollError, word: str) -> None:
    """The status alone does not say it."""
    assert word in error.remedy("Zero Trust Read")


@pytest.mark.parametrize("error", [NetworkError(""), ServerError("", status=500)])
def test_an_error_whose_message_says_what_to_check_has_no_remedy(error: PollError) -> None:
    """Its message names host and setting already."""
    assert error.remedy("Zero Trust Read") == ""
