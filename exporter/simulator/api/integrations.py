"""Operations on the integrations of an account."""

from exporter.simulator.api.calls import Admitted, Reply, succeed
from exporter.simulator.api.forms import (
    ChangedIntegrationForm,
    NewIntegrationForm,
    read_form,
)
from exporter.simulator.api.problems import integration_not_found, invalid
from exporter.simulator.world.identity import draw_uuid
from exporter.simulator.world.integrations import Integration, ReferenceTakenError
from exporter.simulator.world.rfc3339 import render


def list_integrations(admitted: Admitted) -> Reply:
    """Answer all of them."""
    return succeed(admitted, [_shape(admitted, one) for one in admitted.account.integrations])


def get_integration(admitted: Admitted) -> Reply:
    """Answer the one with the id in the path."""
    return succeed(admitted, _shape(admitted, _find(admitted)))


def get_integration_by_reference(admitted: Admitted) -> Reply:
    """Answer the one with the client's reference id in the path."""
    integration = admitted.account.integrations.find(admitted.route.key)
    if integration is None:
        raise integration_not_found()
    return succeed(admitted, _shape(admitted, integration))


def create_integration(admitted: Admitted) -> Reply:
    """Create an integration, active by default. It gets a reference id if none is given."""
    form = read_form(NewIntegrationForm, admitted.call.body, is_lenient=admitted.world.is_lenient)
    integration = Integration(
        id=draw_uuid(admitted.world.rng),
        integration_type=form.integration_type,
        tenant_url=form.tenant_url,
        reference_id=form.reference_id or draw_uuid(admitted.world.rng),
        is_active=True if form.active is None else form.active,
        created_ns=admitted.now_ns,
    )
    return _put(admitted, integration)


def update_integration(admitted: Admitted) -> Reply:
    """Overwrite whether it is active, its tenant and, where given, its reference id."""
    before = _find(admitted)
    form = read_form(
        ChangedIntegrationForm, admitted.call.body, is_lenient=admitted.world.is_lenient
    )
    integration = Integration(
        id=before.id,
        integration_type=before.integration_type,
        tenant_url=form.tenant_url,
        reference_id=form.reference_id or before.reference_id,
        is_active=before.is_active if form.active is None else form.active,
        created_ns=before.created_ns,
    )
    return _put(admitted, integration)


def delete_integration(admitted: Admitted) -> Reply:
    """Delete it; the result is null."""
    admitted.account.integrations.delete(_find(admitted).id)
    return succeed(admitted, None)


def _find(admitted: Admitted) -> Integration:
    integration = admitted.account.integrations.get(admitted.route.key.lower())
    if integration is None:
        raise integration_not_found()
    return integration


def _put(admitted: Admitted, integration: Integration) -> Reply:
    try:
        admitted.account.integrations.put(integration)
    except ReferenceTakenError as error:
        raise invalid("is taken by another integration", pointer="/reference_id") from error
    return succeed(admitted, _shape(admitted, integration))


def _shape(admitted: Admitted, integration: Integration) -> dict[str, object]:
    return {
        "id": integration.id,
        "account_tag": admitted.account.traits.account_id,
        "active": integration.is_active,
        "created_at": render(integration.created_ns),
        "integration_type": integration.integration_type,
        "reference_id": integration.reference_id,
        "tenant_url": integration.tenant_url,
        "well_known_url": integration.well_known_url,
    }
