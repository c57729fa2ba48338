import json
from collections.abc import Callable

import pytest

from exporter.cloudflare.wire import OPERATIONS, Request, requests
from exporter.errors import ConfigurationError
from exporter.risk.model import BehaviorChange, RiskLevel

ROOT = "/accounts/acc/zt_risk_scoring"

EXPECTED = [
    (requests.list_summary("acc"), "list_summary", "GET", "/summary", None),
    (requests.get_user("acc", "u"), "get_user", "GET", "/u", None),
    (requests.reset_user("acc", "u"), "reset_user", "POST", "/u/reset", None),
    (requests.get_behaviors("acc"), "get_behaviors", "GET", "/behaviors", None),
    (
        requests.set_behaviors("acc", {"dlp": BehaviorChange(enabled=True, level=RiskLevel.HIGH)}),
        "set_behaviors",
        "PUT",
        "/behaviors",
        {"behaviors": {"dlp": {"enabled": True, "risk_level": "high"}}},
    ),
    (requests.list_integrations("acc"), "list_integrations", "GET", "/integrations", None),
    (
        requests.create_integration("acc", integration_type="Okta", tenant_url="https://t"),
        "create_integration",
        "POST",
        "/integrations",
        {"integration_type": "Okta", "tenant_url": "https://t"},
    ),
    (requests.get_integration("acc", "i"), "get_integration", "GET", "/integrations/i", None),
    (
        requests.update_integration("acc", "i", active=False, tenant_url="t", reference_id="r"),
        "update_integration",
        "PUT",
        "/integrations/i",
        {"active": False, "tenant_url": "t", "reference_id": "r"},
    ),
    (
        requests.delete_integration("acc", "i"),
        "delete_integration",
        "DELETE",
        "/integrations/i",
        None,
    ),
    (
        requests.find_integration("acc", "r"),
        "find_integration",
        "GET",
        "/integrations/reference_id/r",
        None,
    ),
]


@pytest.mark.parametrize(("request_", "operation", "method", "path", "body"), EXPECTED)
def test_each_operation_is_sent_as_the_reference_says(
    request_: Request, operation: str, method: str, path: str, body: object
) -> None:
    """Method, path and body are the API's, not ours to choose."""
    assert request_.operation == operation
    assert request_.method == method
    assert request_.path == ROOT + path
    assert (None if request_.body is None else json.loads(request_.body)) == body
    assert request_.query == ()


def test_the_eleven_operations_have_a_builder_each() -> None:
    """A twelfth operation must not be forgotten in the table above."""
    assert [request[1] for request in EXPECTED] == [str(operation) for operation in OPERATIONS]


def test_only_later_pages_are_asked_for_by_number() -> None:
    """The API documents no `page` here, so the first request must not depend on one."""
    assert requests.list_summary("acc", page=2).query == (("page", "2"),)
    assert requests.get_behaviors("acc", page=3).query == (("page", "3"),)
    assert requests.list_integrations("acc", page=4).query == (("page", "4"),)


def test_an_id_stays_one_segment_of_the_path() -> None:
    """Slashes, dots, question marks and spaces in an id must not lead elsewhere."""
    assert requests.find_integration("a/b", "../x?y=1 #é").path == (
        "/accounts/a%2Fb/zt_risk_scoring/integrations/reference_id/..%2Fx%3Fy%3D1%20%23%C3%A9"
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: requests.list_summary(""),
        lambda: requests.list_summary(".."),
        lambda: requests.get_user("acc", ""),
        lambda: requests.get_user("acc", "."),
        lambda: requests.get_user("acc", "summary"),
        lambda: requests.reset_user("acc", "integrations"),
        lambda: requests.get_integration("acc", ""),
        lambda: requests.delete_integration("acc", ".."),
        lambda: requests.find_integration("acc", ""),
        lambda: requests.get_user("acc", "\udc80"),
        lambda: requests.create_integration("acc", integration_type="Okta", tenant_url="\ud800"),
    ],
)
def test_what_would_ask_for_something_else_is_refused(build: Callable[[], Request]) -> None:
    """DELETE with an empty id would address the whole collection."""
    with pytest.raises(ConfigurationError):
        build()


@pytest.mark.parametrize("level", [RiskLevel.NONE, RiskLevel.UNKNOWN])
def test_only_levels_the_api_takes_can_be_set(level: RiskLevel) -> None:
    """`none` and `unknown` are our words; the API would refuse them less clearly."""
    with pytest.raises(ConfigurationError, match="low, medium, high"):
        requests.set_behaviors("acc", {"dlp": BehaviorChange(enabled=True, level=level)})
