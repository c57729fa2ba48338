import pytest

from exporter.errors import NetworkError, RejectedError
from exporter.polling.resource import LONGEST_SHOWN_MESSAGE, safe_message
from exporter.status import ResourceName

USER_ID = "aaaaaaaa-0000-4000-8000-000000000001"


def test_an_api_error_about_one_user_is_reduced_to_its_numbers() -> None:
    """The API's explanation may name the user in any form."""
    error = RejectedError(
        "HTTP 403: code 7003 no route to Ada Lovelace", status=403, codes=(7003, 7000)
    )
    assert safe_message(ResourceName.USERS, error) == "HTTP 403, code 7003, code 7000"


def test_an_error_without_a_response_keeps_its_message() -> None:
    """The exporter words these errors itself, without names."""
    error = NetworkError("no whole answer in time")
    assert safe_message(ResourceName.USERS, error) == "no whole answer in time"


@pytest.mark.parametrize("identity", ["ada@example.com", USER_ID, USER_ID.upper(), "ada@localhost"])
def test_emails_and_user_ids_are_replaced(identity: str) -> None:
    """The page shows no identities, whatever the API's explanations contain."""
    error = RejectedError(f'HTTP 400: "{identity}" (at {identity}) is odd', status=400)
    assert safe_message(ResourceName.SUMMARY, error) == 'HTTP 400: "…" (at …) is odd'


def test_a_long_message_is_cut() -> None:
    """The log has the whole message."""
    message = safe_message(ResourceName.SUMMARY, RejectedError("x" * 500, status=400))
    assert len(message) == LONGEST_SHOWN_MESSAGE
    assert message.endswith("x…")
