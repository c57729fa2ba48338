import pytest

from exporter.errors import (
    ForbiddenError,
    NetworkError,
    PollError,
    Scope,
    ServerError,
    UnauthorizedError,
)
from exporter.polling.resource import PollHistory
from exporter.status import ResourceName


def history_of(*polls: PollError | None) -> PollHistory:
    """Return the history of polls a second apart, from second 0 on; None went well."""
    history = PollHistory(ResourceName.SUMMARY)
    for second, error in enumerate(polls):
        if error is None:
            history.succeed()
        else:
            history.fail(error, now=float(second))
    return history


def test_failing_since_is_the_first_failure_after_the_last_success() -> None:
    """How long something has been broken is counted from there, whatever the reasons since."""
    history = history_of(NetworkError("a"), None, NetworkError("b"), ServerError("c", status=500))
    assert history.failing_since == 2.0


def test_a_success_ends_failing_but_not_the_memory_of_it() -> None:
    """Whoever looks the next morning still sees what happened in the night."""
    history = history_of(NetworkError("a"), None)
    assert history.failing_since is None
    assert [kept.message for kept in history.failures()] == ["a"]


def test_failures_of_one_reason_are_one_entry() -> None:
    """A night of failures must not push everything else out, nor grow without end."""
    (kept,) = history_of(*[ServerError("HTTP 500", status=500, codes=(1,))] * 1000).failures()
    assert (kept.reason, kept.count, kept.first_at, kept.last_at) == ("server_error", 1000, 0, 999)
    assert kept.message == "HTTP 500"


def test_the_latest_failure_comes_first() -> None:
    """It is what one looks for."""
    history = history_of(
        NetworkError("a"), ServerError("b", status=500), None, NetworkError("again")
    )
    assert [kept.message for kept in history.failures()] == ["again", "b"]


@pytest.mark.parametrize(
    ("error", "scope"),
    [
        (ForbiddenError("no", status=403), Scope.ACCOUNT),
        (UnauthorizedError("no", status=401), Scope.TOKEN),
    ],
)
def test_access_stays_denied_until_the_token_is_accepted(error: PollError, scope: Scope) -> None:
    """A network failure in between proves nothing about the token's permissions."""
    assert history_of(None, error, NetworkError("a")).denied is scope
    assert history_of(error, NetworkError("a"), None).denied is None
