"""Operations on behaviors and integrations, and the forms that validate their requests.

Lenient validation accepts what Cloudflare's own clients send although the API's reference does
not describe it. The Terraform provider sends risk levels and integration types in any case,
`http` tenant URLs, `active` at creation, and no `active` in an update. Strict validation follows
the reference.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from exporter.simulator.api.messages import (
    ApiError,
    Problem,
    Reply,
    integration_not_found,
    invalid,
    invalid_field,
)
from exporter.simulator.api.operations import AuthorizedCall, success_reply
from exporter.simulator.world.configuration import Integration, ReferenceTakenError
from exporter.simulator.world.generation import draw_uuid
from exporter.simulator.world.timestamps import format_timestamp

_Form = TypeVar("_Form", bound="Form")
_Context = Mapping[str, object]
_INTEGRATION_TYPES = {"okta": "Okta"}
_MESSAGES = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "missing": "is required",
    "model_type": "must be an object",
    "string_too_short": "must not be empty",
    "string_type": "must be a string",
}


def _is_lenient(info: ValidationInfo) -> bool:
    return bool(info.context and info.context["is_lenient"])


def _fold_level(value: object, info: ValidationInfo) -> object:
    return value.lower() if isinstance(value, str) and _is_lenient(info) else value


def _fold_integration_type(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and _is_lenient(info):
        return _INTEGRATION_TYPES.get(value.lower(), value)
    return value


def _check_behavior(key: str, info: ValidationInfo) -> str:
    if info.context and key not in info.context["behaviors"]:
        raise ValueError("is not a behavior of this account")
    return key


def _check_tenant_url(text: str, info: ValidationInfo) -> str:
    schemes = {"http", "https"} if _is_lenient(info) else {"https"}
    if not _is_base_url(text, schemes):
        raise ValueError("must be an https URL such as https://tenant.okta.com")
    return text


def _is_base_url(text: str, schemes: Collection[str]) -> bool:
    """Return whether `text` has a host, one of the schemes, and no user, query or fragment."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    has_more = url.query or url.fragment or url.username or url.password
    return url.scheme in schemes and bool(url.hostname) and not has_more


BehaviorKey = Annotated[str, AfterValidator(_check_behavior)]
RiskLevel = Annotated[Literal["low", "medium", "high"], BeforeValidator(_fold_level)]
IntegrationType = Annotated[Literal["Okta"], BeforeValidator(_fold_integration_type)]
TenantUrl = Annotated[str, StringConstraints(min_length=1), AfterValidator(_check_tenant_url)]


class Form(BaseModel):
    """The body of a request. Unknown fields are ignored; no error repeats a value."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class BehaviorForm(Form):
    """The new configuration of one behavior."""

    enabled: bool
    risk_level: RiskLevel


class BehaviorsForm(Form):
    """The behaviors to configure, by key."""

    behaviors: dict[BehaviorKey, BehaviorForm]


class IntegrationForm(Form):
    """The fields that creating and overwriting an integration have in common.

    A `reference_id` that is missing, null or empty means None.
    """

    tenant_url: TenantUrl
    reference_id: str | None = None
    active: bool | None = None


class NewIntegrationForm(IntegrationForm):
    """A new integration. The reference has no `active` here, so strict validation ignores it."""

    integration_type: IntegrationType

    @field_validator("active", mode="before")
    @classmethod
    def _ignore_unless_lenient(cls, value: object, info: ValidationInfo) -> object:
        return value if _is_lenient(info) else None


class ChangedIntegrationForm(IntegrationForm):
    """An overwritten integration. An `active` of None keeps the present value (lenient only)."""

    active: bool | None = Field(default=None, validate_default=True)

    @field_validator("active", mode="before")
    @classmethod
    def _require_unless_lenient(cls, value: object, info: ValidationInfo) -> object:
        if value is None and not _is_lenient(info):
            raise ValueError("is required")
        return value


def read_form(
    kind: type[_Form], body: bytes, *, is_lenient: bool, behaviors: Collection[str] = ()
) -> _Form:
    """Read the body of a request; `behaviors` are the keys the account has.

    Raise ApiError (400) with every problem and its place in the body.
    """
    context: _Context = {"is_lenient": is_lenient, "behaviors": behaviors}
    try:
        return kind.model_validate_json(body, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            raise ApiError(400, Problem(6007, "Malformed JSON in request body")) from error
        raise ApiError(400, *map(_problem, details)) from error


def _problem(detail: ErrorDetails) -> Problem:
    # For an invalid key of an object, pydantic adds one more part to the location.
    names = [str(name) for name in detail["loc"] if name != "[key]"]
    pointer = "".join(f"/{name}" for name in names)
    return invalid_field(_message(detail), pointer=pointer)


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "literal_error":
        return f"must be {detail['ctx']['expected']}"
    return _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Value error, "))


def get_behaviors(authorized: AuthorizedCall) -> Reply:
    """Return every behavior with its configuration."""
    behaviors = {
        behavior.key: {
            "name": behavior.name,
            "description": behavior.description,
            "enabled": behavior.enabled,
            "risk_level": behavior.level,
        }
        for behavior in authorized.account.behaviors.values()
    }
    return success_reply(authorized, {"behaviors": behaviors})


def update_behaviors(authorized: AuthorizedCall) -> Reply:
    """Configure the given behaviors and return their new configuration; keep the others."""
    account = authorized.account
    form = read_form(
        BehaviorsForm,
        authorized.call.body,
        is_lenient=authorized.world.is_lenient,
        behaviors=account.behaviors,
    )
    for key, behavior in form.behaviors.items():
        account.configure(key, enabled=behavior.enabled, level=behavior.risk_level)
    return success_reply(authorized, form.model_dump())


def list_integrations(authorized: AuthorizedCall) -> Reply:
    """Return every integration."""
    return success_reply(
        authorized, [_shape(authorized, one) for one in authorized.account.integrations]
    )


def get_integration(authorized: AuthorizedCall) -> Reply:
    """Return the integration with the id in the path."""
    return success_reply(authorized, _shape(authorized, _find(authorized)))


def get_integration_by_reference(authorized: AuthorizedCall) -> Reply:
    """Return the integration with the reference id in the path."""
    integration = authorized.account.integrations.find(authorized.route.key)
    if integration is None:
        raise integration_not_found()
    return success_reply(authorized, _shape(authorized, integration))


def create_integration(authorized: AuthorizedCall) -> Reply:
    """Create an integration, active by default, and generate a reference id if none is given."""
    form = read_form(
        NewIntegrationForm, authorized.call.body, is_lenient=authorized.world.is_lenient
    )
    integration = Integration(
        id=draw_uuid(authorized.world.rng),
        integration_type=form.integration_type,
        tenant_url=form.tenant_url,
        reference_id=form.reference_id or draw_uuid(authorized.world.rng),
        is_active=True if form.active is None else form.active,
        created_ns=authorized.now_ns,
    )
    return _put(authorized, integration)


def update_integration(authorized: AuthorizedCall) -> Reply:
    """Overwrite tenant URL, `active` and reference id; a missing reference id is kept."""
    before = _find(authorized)
    form = read_form(
        ChangedIntegrationForm, authorized.call.body, is_lenient=authorized.world.is_lenient
    )
    integration = Integration(
        id=before.id,
        integration_type=before.integration_type,
        tenant_url=form.tenant_url,
        reference_id=form.reference_id or before.reference_id,
        is_active=before.is_active if form.active is None else form.active,
        created_ns=before.created_ns,
    )
    return _put(authorized, integration)


def delete_integration(authorized: AuthorizedCall) -> Reply:
    """Delete an integration; the result is null."""
    authorized.account.integrations.delete(_find(authorized).id)
    return success_reply(authorized, None)


def _find(authorized: AuthorizedCall) -> Integration:
    integration = authorized.account.integrations.get(authorized.route.key.lower())
    if integration is None:
        raise integration_not_found()
    return integration


def _put(authorized: AuthorizedCall, integration: Integration) -> Reply:
    try:
        authorized.account.integrations.put(integration)
    except ReferenceTakenError as error:
        raise invalid("is taken by another integration", pointer="/reference_id") from error
    return success_reply(authorized, _shape(authorized, integration))


def _shape(authorized: AuthorizedCall, integration: Integration) -> dict[str, object]:
    return {
        "id": integration.id,
        "account_tag": authorized.account.traits.account_id,
        "active": integration.is_active,
        "created_at": format_timestamp(integration.created_ns),
        "integration_type": integration.integration_type,
        "reference_id": integration.reference_id,
        "tenant_url": integration.tenant_url,
        "well_known_url": integration.well_known_url,
    }
