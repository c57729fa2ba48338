"""Example answers of every operation and of errors, in the shapes of Cloudflare's API reference."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.cloudflare.wire import (
    OPERATIONS,
    Page,
    Response,
    RetryAfter,
    Rows,
    check_status,
    check_success,
    read_behaviors,
    read_changes,
    read_integration,
    read_integrations,
    read_summary,
    read_user,
    read_whole_summary,
)
from exporter.errors import (
    ForbiddenError,
    NotFoundError,
    RejectedError,
    ServerError,
    StatusError,
    ThrottledError,
    UnauthorizedError,
)
from exporter.risk.model import (
    Behavior,
    BehaviorChange,
    Integration,
    RiskEvent,
    RiskLevel,
    UserDetails,
    UserSummary,
)

EXAMPLES = Path(__file__).parent.parent / "data" / "cloudflare"

OKTA = Integration(
    integration_id="0b6c4d1e-93f2-4e57-b1f4-5a7d9c2e8f10",
    integration_type="Okta",
    tenant_url="https://acme.okta.com",
    reference_id="okta-idp-7",
    active=True,
    created_at=1770091506.789,
    account_tag="023e105f4ecef8ad9ca31a8372d0c353",
    well_known_url="/.well-known/sse-configuration/0b6c4d1e-93f2-4e57-b1f4-5a7d9c2e8f10/",
)


def example(name: str) -> bytes:
    """Read an example's body."""
    return (EXAMPLES / f"{name}.json").read_bytes()


def test_every_operation_has_an_example() -> None:
    """A new operation needs one."""
    names = {path.stem for path in EXAMPLES.glob("*.json")}

    assert {name for name in names if not name.startswith("error_")} == set(OPERATIONS)


def test_the_summary_is_read() -> None:
    """Nanoseconds are rounded to microseconds, and offsets are applied."""
    page = read_whole_summary(example("list_summary"))

    assert page.total == 1
    assert page.value.unreadable == 0
    assert page.value.users == (
        UserSummary(
            "5f2d1c88-7f0e-4c55-9d0e-1a1c6f0b7a01",
            "ada@example.com",
            "Ada Example",
            4,
            1772368200.123457,
            RiskLevel.HIGH,
        ),
        UserSummary(
            "c1a9e0b4-2f6c-4d8a-8a3f-77d2b6f3e902",
            "grace@example.com",
            "Grace Example",
            1,
            1772251200.0,
            RiskLevel.LOW,
        ),
    )
    assert read_summary(example("list_summary")) == page


def test_a_users_details_are_read() -> None:
    """Events keep their order; `event_details` is ignored."""
    assert read_user(example("get_user")) == UserDetails(
        email="ada@example.com",
        name="Ada Example",
        events=(
            RiskEvent(
                "6e9a4a7c-imp_travel", "Impossible travel", RiskLevel.HIGH, 1772368200.123457
            ),
            RiskEvent(
                "6e9a4a7d-high_dlp",
                "High number of DLP policies triggered",
                RiskLevel.MEDIUM,
                1771581600.0,
            ),
        ),
        last_reset=1768464000.0,
        level=RiskLevel.HIGH,
    )


def test_behaviors_are_read() -> None:
    """The keys of the map are the behaviors' keys."""
    assert read_behaviors(example("get_behaviors")) == Page(
        Rows(
            (
                Behavior(
                    "imp_travel",
                    "Impossible travel",
                    "A user logs in from two places faster than anyone can travel",
                    enabled=True,
                    level=RiskLevel.HIGH,
                ),
                Behavior(
                    "high_dlp",
                    "High number of DLP policies triggered",
                    "A user triggers many DLP policies in a short time",
                    enabled=False,
                    level=RiskLevel.MEDIUM,
                ),
            )
        )
    )


def test_changed_behaviors_are_read() -> None:
    """The answer of a PUT has neither name nor description."""
    assert read_changes(example("set_behaviors")) == {
        "high_dlp": BehaviorChange(enabled=True, level=RiskLevel.LOW)
    }


def test_the_list_of_integrations_is_read() -> None:
    """It is the one answer with `result_info`."""
    assert read_integrations(example("list_integrations")) == Page(Rows((OKTA,)), total=1)


@pytest.mark.parametrize("operation", ["create", "get", "find"])
def test_one_integration_is_read(operation: str) -> None:
    """All three operations answer with the same object."""
    assert read_integration(example(f"{operation}_integration")) == OKTA


def test_an_updated_integration_is_read() -> None:
    """All writable fields differ from those before."""
    updated = read_integration(example("update_integration"))

    assert (updated.active, updated.reference_id, updated.tenant_url) == (
        False,
        "okta-idp-8",
        "https://acme-2.okta.com",
    )


@pytest.mark.parametrize("operation", ["reset_user", "delete_integration"])
def test_an_answer_without_a_result_is_a_success(operation: str) -> None:
    """Its `result` is null."""
    check_success(example(operation))


@pytest.mark.parametrize(
    ("name", "status", "error", "message"),
    [
        ("400_field", 400, RejectedError, "HTTP 400: code 1003"),
        ("400_token", 400, UnauthorizedError, "HTTP 400: code 6003 invalid request headers"),
        ("401", 401, UnauthorizedError, "HTTP 401: code 10000 authentication error"),
        ("403_permission", 403, ForbiddenError, "HTTP 403: code 10000 authentication error"),
        (
            "403_token",
            403,
            UnauthorizedError,
            "HTTP 403: code 9109 invalid access token, or no access to this resource",
        ),
        (
            "404_route",
            404,
            NotFoundError,
            "HTTP 404: code 7003 no route for this request; not found",
        ),
        (
            "429",
            429,
            ThrottledError,
            "HTTP 429: code 971 too many requests; the API refuses this token for 300 s",
        ),
        ("500", 500, ServerError, "HTTP 500: code 1001"),
    ],
)
def test_an_error_envelope_becomes_its_error(
    name: str, status: int, error: type[StatusError], message: str
) -> None:
    """The message has the code and its known meaning, and no received text."""
    with pytest.raises(StatusError) as caught:
        check_status(Response(status, {}, example(f"error_{name}")), retry_after=RetryAfter(300.0))

    document: dict[str, Any] = json.loads(example(f"error_{name}"))
    assert type(caught.value) is error
    assert str(caught.value) == message
    assert caught.value.codes == tuple(each["code"] for each in document["errors"])


def test_a_rejected_field_is_named() -> None:
    """The value in quotes is left out, because it may be private."""
    with pytest.raises(RejectedError) as caught:
        check_status(Response(400, {}, example("error_400_field")), quotes_api=True)

    assert str(caught.value) == (
        "HTTP 400: code 1003 tenant_url: … is not a valid URL at /tenant_url"
    )
