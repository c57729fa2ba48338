import pytest

from exporter.app.status import LONGEST_MESSAGE, safe_message
from exporter.polling.resource import Failures, ResourceName

USER_ID = "aaaaaaaa-0000-4000-8000-000000000001"


def failed(message: str, *, status: int | None = 404, codes: tuple[int, ...] = ()) -> Failures:
    """Return a failure with what the API said."""
    return Failures("not_found", message, status, codes, count=1, first_at=0.0, last_at=0.0)


def test_what_the_api_said_of_one_user_is_told_in_numbers_alone() -> None:
    """A sentence about a user may name them in ways nobody can foresee."""
    said = failed("HTTP 403: code 7003 no route to Ada Lovelace", status=403, codes=(7003, 7000))
    assert safe_message(ResourceName.USERS, said) == "HTTP 403, code 7003, code 7000"


def test_our_own_words_about_a_user_are_told() -> None:
    """Errors without a status are worded here, and hold no names."""
    said = failed("no whole answer in time", status=None)
    assert safe_message(ResourceName.USERS, said) == "no whole answer in time"


@pytest.mark.parametrize("identity", ["ada@example.com", USER_ID, USER_ID.upper(), "ada@localhost"])
def test_addresses_and_user_ids_are_blotted_out(identity: str) -> None:
    """The page shows no identities, whatever the API puts into its explanations."""
    said = failed(f'HTTP 400: "{identity}" (at {identity}) is odd')
    assert safe_message(ResourceName.SUMMARY, said) == 'HTTP 400: "…" (at …) is odd'


def test_a_long_message_is_cut() -> None:
    """The page is for a glance; the log has the rest."""
    message = safe_message(ResourceName.SUMMARY, failed("x" * 500))
    assert len(message) == LONGEST_MESSAGE
    assert message.endswith("x…")
