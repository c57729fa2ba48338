"""The commands `behaviors list` and `behaviors set`."""

import argparse
from collections.abc import Mapping, Sequence

from exporter.app.api_call import WRITE_PERMISSION
from exporter.app.status import PERMISSIONS
from exporter.cli.context import CommandContext, add_api_command, add_subcommands, open_context
from exporter.cli.output import Json, print_json, print_line, printable
from exporter.cli.parser import CommandParser
from exporter.cli.tables import level_cell, print_table, yes_or_no
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ConfigurationError, ExporterError
from exporter.risk.model import LISTED_LEVELS, Behavior, BehaviorChange, RiskLevel
from exporter.status import ResourceName


class UnknownBehaviorError(ExporterError):
    """The account has no behavior with this key; the message lists its keys."""


def add_arguments(parser: CommandParser) -> None:
    """Add `behaviors list` and `behaviors set`."""
    commands = add_subcommands(parser, about="Show and configure risk behaviors.")
    add_api_command(commands, "list", _list, about="list the behaviors and their configuration")
    setting = add_api_command(
        commands,
        "set",
        _set,
        about="enable or disable a behavior, or set its risk level",
        changes=True,
    )
    setting.add_argument("key", metavar="KEY", help="the behavior's key, such as imp_travel")
    switch = setting.add_mutually_exclusive_group()
    switch.add_argument("--enabled", dest="enabled", action="store_true", default=None)
    switch.add_argument("--disabled", dest="enabled", action="store_false")
    setting.add_argument(
        "--level",
        type=str.lower,
        choices=[level.label for level in LISTED_LEVELS],
        help="the risk level of the behavior",
    )


def _list(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    behaviors = _behaviors(context)
    if context.wants_json:
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
        raise ConfigurationError("nothing to set; use --enabled, --disabled or --level")
    context = open_context(arguments)
    before = _behavior(_behaviors(context), arguments.key)
    new = _change(before, enabled=arguments.enabled, level=arguments.level)
    if new == BehaviorChange(before.enabled, before.level):
        _print_result(
            context, before.key, new, done="already has this configuration; nothing was changed"
        )
        return 0
    context.confirm(_plan(before, new))

    async def call(client: CloudflareClient, account_id: str) -> Mapping[str, BehaviorChange]:
        return await client.set_behaviors(account_id, {before.key: new})

    answer = context.call_api(call, permission=WRITE_PERMISSION)
    _print_result(context, before.key, answer.get(before.key, new), done="is configured")
    return 0


def _behaviors(context: CommandContext) -> Sequence[Behavior]:
    async def call(client: CloudflareClient, account_id: str) -> Sequence[Behavior]:
        return await client.read_behaviors(account_id)

    behaviors = context.call_api(call, permission=PERMISSIONS[ResourceName.BEHAVIORS])
    return sorted(behaviors, key=lambda one: one.key)


def _behavior(behaviors: Sequence[Behavior], key: str) -> Behavior:
    for one in behaviors:
        if one.key == key:
            return one
    keys = ", ".join(printable(one.key) for one in behaviors)
    raise UnknownBehaviorError(f"no behavior has the key {printable(key)}; known keys: {keys}")


def _change(before: Behavior, *, enabled: bool | None, level: str | None) -> BehaviorChange:
    """Return the configuration to set: the API needs both values, so one not given is kept.

    Raises ConfigurationError if the level to keep is one that this version does not know.
    """
    if level is None and before.level not in LISTED_LEVELS:
        raise ConfigurationError(
            "this version does not know the behavior's level; set it with --level"
        )
    return BehaviorChange(
        enabled=before.enabled if enabled is None else enabled,
        level=before.level if level is None else RiskLevel[level.upper()],
    )


def _plan(before: Behavior, new: BehaviorChange) -> Sequence[str]:
    changes = [f"  behavior {before.key}, {before.name}"]
    if new.enabled != before.enabled:
        was, becomes = yes_or_no(value=before.enabled), yes_or_no(value=new.enabled)
        changes.append(f"  enabled {was} -> {becomes}")
    if new.level != before.level:
        changes.append(f"  level {before.level.label} -> {new.level.label}")
    return changes


def _print_result(context: CommandContext, key: str, current: BehaviorChange, *, done: str) -> None:
    if context.wants_json:
        print_json({"behaviors": {key: _change_json(current)}})
    else:
        enabled = "enabled" if current.enabled else "disabled"
        print_line(f"behavior {key} {done}: {enabled}, {current.level.label}")


def _behavior_json(behavior: Behavior) -> Json:
    return {
        "name": behavior.name,
        "description": behavior.description,
        "enabled": behavior.enabled,
        "risk_level": behavior.level.label,
    }


def _change_json(change: BehaviorChange) -> Json:
    return {"enabled": change.enabled, "risk_level": change.level.label}
