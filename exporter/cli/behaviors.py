"""`behaviors` shows what counts as risky, and configures it."""

import argparse
from collections.abc import Mapping, Sequence

from exporter.app.asking import WRITE_PERMISSION
from exporter.app.status import PERMISSIONS
from exporter.cli.conversation import Conversation, add_group, add_question, begin
from exporter.cli.printing import (
    Json,
    level_cell,
    print_json,
    print_line,
    print_table,
    printable,
    yes_or_no,
)
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ConfigurationError, ExporterError
from exporter.risk.model import LISTED_LEVELS, Behavior, BehaviorChange, RiskLevel
from exporter.status import ResourceName


class UnknownBehaviorError(ExporterError):
    """The account has no behavior of this key; the message lists those it has."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `behaviors list` and `behaviors set`."""
    group = add_group(commands, "behaviors", about="show and configure what counts as risky")
    add_question(group, "list", _list, about="list every behavior and its configuration")
    setting = add_question(
        group, "set", _set, about="enable, disable or weigh one behavior", changes=True
    )
    setting.add_argument("key", metavar="KEY", help="the behavior's key, such as imp_travel")
    switch = setting.add_mutually_exclusive_group()
    switch.add_argument("--enabled", dest="enabled", action="store_true", default=None)
    switch.add_argument("--disabled", dest="enabled", action="store_false")
    setting.add_argument(
        "--level",
        type=str.lower,
        choices=[level.label for level in LISTED_LEVELS],
        help="the risk level of who does it",
    )


def _list(arguments: argparse.Namespace) -> int:
    conversation = begin(arguments)
    behaviors = _behaviors(conversation)
    if conversation.wants_json:
        print_json({"behaviors": {one.key: _behavior_json(one) for one in behaviors}})
    else:
        print_table(
            ("key", "name", "enabled", "level", "description"),
            (
                (
                    one.key,
                    one.name,
                    yes_or_no(value=one.enabled),
                    level_cell(one.level),
                    one.description,
                )
                for one in behaviors
            ),
        )
    return 0


def _set(arguments: argparse.Namespace) -> int:
    if arguments.enabled is None and arguments.level is None:
        raise ConfigurationError("nothing to set: say --enabled, --disabled or --level")
    conversation = begin(arguments)
    before = _behavior(_behaviors(conversation), arguments.key)
    wanted = _change(before, enabled=arguments.enabled, level=arguments.level)
    if wanted == BehaviorChange(before.enabled, before.level):
        _print_result(conversation, before.key, wanted, done="is so already")
        return 0
    conversation.get_consent(_plan(before, wanted))

    async def question(client: CloudflareClient, account_id: str) -> Mapping[str, BehaviorChange]:
        return await client.set_behaviors(account_id, {before.key: wanted})

    answer = conversation.ask(question, permission=WRITE_PERMISSION)
    _print_result(conversation, before.key, answer.get(before.key, wanted), done="is set")
    return 0


def _behaviors(conversation: Conversation) -> Sequence[Behavior]:
    async def question(client: CloudflareClient, account_id: str) -> Sequence[Behavior]:
        return await client.read_behaviors(account_id)

    behaviors = conversation.ask(question, permission=PERMISSIONS[ResourceName.BEHAVIORS])
    return sorted(behaviors, key=lambda one: one.key)


def _behavior(behaviors: Sequence[Behavior], key: str) -> Behavior:
    for one in behaviors:
        if one.key == key:
            return one
    keys = ", ".join(printable(one.key) for one in behaviors)
    raise UnknownBehaviorError(f"there is no behavior {printable(key)}; there are: {keys}")


def _change(before: Behavior, *, enabled: bool | None, level: str | None) -> BehaviorChange:
    """What to set: the API wants both values, so what is not said stays as it is.

    Raises ConfigurationError where that is a level which we have no word for.
    """
    if level is None and before.level not in LISTED_LEVELS:
        raise ConfigurationError("its level is one this version does not know: say --level too")
    return BehaviorChange(
        enabled=before.enabled if enabled is None else enabled,
        level=before.level if level is None else RiskLevel[level.upper()],
    )


def _plan(before: Behavior, wanted: BehaviorChange) -> Sequence[str]:
    changes = [f"  behavior {before.key}, {before.name}"]
    if wanted.enabled != before.enabled:
        old, new = yes_or_no(value=before.enabled), yes_or_no(value=wanted.enabled)
        changes.append(f"  enabled {old} -> {new}")
    if wanted.level != before.level:
        changes.append(f"  level {before.level.label} -> {wanted.level.label}")
    return changes


def _print_result(conversation: Conversation, key: str, now: BehaviorChange, *, done: str) -> None:
    if conversation.wants_json:
        print_json({"behaviors": {key: _change_json(now)}})
    else:
        enabled = "enabled" if now.enabled else "disabled"
        print_line(f"behavior {key} {done}: {enabled}, {now.level.label}")


def _behavior_json(behavior: Behavior) -> Json:
    return {
        "name": behavior.name,
        "description": behavior.description,
        "enabled": behavior.enabled,
        "risk_level": behavior.level.label,
    }


def _change_json(change: BehaviorChange) -> Json:
    return {"enabled": change.enabled, "risk_level": change.level.label}
