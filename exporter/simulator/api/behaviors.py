"""Operations on the behaviors of an account."""

from exporter.simulator.api.calls import Admitted, Reply, succeed
from exporter.simulator.api.forms import BehaviorsForm, read_form


def get_behaviors(admitted: Admitted) -> Reply:
    """Answer every behavior and how it is configured."""
    behaviors = {
        behavior.key: {
            "name": behavior.name,
            "description": behavior.description,
            "enabled": behavior.enabled,
            "risk_level": behavior.level,
        }
        for behavior in admitted.account.behaviors.values()
    }
    return succeed(admitted, {"behaviors": behaviors})


def update_behaviors(admitted: Admitted) -> Reply:
    """Configure the behaviors named, and answer what they are now; others stay as they are."""
    account = admitted.account
    form = read_form(
        BehaviorsForm,
        admitted.call.body,
        is_lenient=admitted.world.is_lenient,
        behaviors=account.behaviors,
    )
    for key, behavior in form.behaviors.items():
        account.configure(key, enabled=behavior.enabled, level=behavior.risk_level)
    return succeed(admitted, form.model_dump())
