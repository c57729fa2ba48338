"""Operations on the behaviors of an account."""

from exporter.simulator.api.calls import Admitted, Reply, succeed
from exporter.simulator.api.forms import Form
from exporter.simulator.world.levels import SCORED_LEVELS


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
    form = Form.of(admitted.call.body)
    wanted: dict[str, tuple[bool, str]] = {}
    for key, part in form.forms("behaviors").items():
        wanted[key] = (part.boolean("enabled"), part.choice("risk_level", SCORED_LEVELS))
        form.problems.extend(part.problems)
        if key not in account.behaviors:
            form.complain("is no behavior of this account", "behaviors", key)
    form.check()
    for key, (enabled, level) in wanted.items():
        account.configure(key, enabled=enabled, level=level)
    answer = {key: {"enabled": on, "risk_level": level} for key, (on, level) in wanted.items()}
    return succeed(admitted, {"behaviors": answer})
