"""The commands `users list`, `users show` and `users reset`."""

import argparse
from collections.abc import Sequence

from exporter.app.api_call import WRITE_PERMISSION
from exporter.app.status import PERMISSIONS
from exporter.cli.context import CommandContext, add_api_command, add_subcommands, open_context
from exporter.cli.output import Json, print_json, print_line, printable, rfc3339
from exporter.cli.parser import CommandParser
from exporter.cli.tables import instant_cell, level_cell, print_fields, print_table
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ExporterError
from exporter.risk.model import LISTED_LEVELS, RiskEvent, RiskLevel, UserDetails, UserSummary
from exporter.status import ResourceName

_USER = "the user's id, or the email of a listed user"


class UnknownUserError(ExporterError):
    """No listed user, or more than one, has the given email."""


def add_arguments(parser: CommandParser) -> None:
    """Add `users list`, `users show` and `users reset`."""
    commands = add_subcommands(parser, about="Show and reset users' risk levels.")
    listing = add_api_command(
        commands, "list", _list, about="list the users with a risk level, highest first"
    )
    listing.add_argument(
        "--level",
        action="append",
        type=str.lower,
        choices=[level.label for level in LISTED_LEVELS],
        help="only users of this level; may be repeated",
    )
    show = add_api_command(commands, "show", _show, about="show the level and the events of a user")
    show.add_argument("user", metavar="USER", help=_USER)
    reset = add_api_command(
        commands, "reset", _reset, about="clear the risk level of a user", changes=True
    )
    reset.add_argument("user", metavar="USER", help=_USER)


def _list(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    wanted: Sequence[str] | None = arguments.level
    users = [
        user
        for user in sorted(_listed_users(context), key=_highest_first)
        if wanted is None or user.level.label in wanted
    ]
    if context.wants_json:
        print_json({"users": [_summary_json(user) for user in users]})
    else:
        print_table(
            ("id", "email", "name", "level", "events", "last event"),
            (
                (
                    user.user_id,
                    user.email,
                    user.name,
                    level_cell(user.level),
                    str(user.event_count),
                    instant_cell(user.last_event),
                )
                for user in users
            ),
            beneath=("email", "name"),
        )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    user_id = _user_id(context, arguments.user)
    details = _details(context, user_id)
    if context.wants_json:
        print_json(_details_json(user_id, details))
        return 0
    print_fields(
        {
            "id": user_id,
            "email": details.email,
            "name": details.name,
            "level": "" if details.level is None else level_cell(details.level),
            "last reset": instant_cell(details.last_reset),
        }
    )
    print_line("")
    print_table(
        ("behavior", "level", "time", "event id"),
        (
            (event.name, level_cell(event.level), instant_cell(event.timestamp), event.id)
            for event in sorted(details.events, key=lambda event: -event.timestamp)
        ),
        beneath=("behavior",),
    )
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    user_id = _user_id(context, arguments.user)
    if not context.is_confirmed:
        context.confirm(_reset_plan(user_id, _details(context, user_id)))

    async def call(client: CloudflareClient, account_id: str) -> None:
        await client.reset_user(account_id, user_id)

    context.call_api(call, permission=WRITE_PERMISSION)
    if context.wants_json:
        print_json({"user_id": user_id, "reset": True})
    else:
        print_line(f"user {user_id}: risk level cleared")
    return 0


def _reset_plan(user_id: str, details: UserDetails) -> Sequence[str]:
    level = RiskLevel.NONE if details.level is None else details.level
    return (
        f"  user {user_id}, {details.email}, {details.name}",
        f"  level {level.label} -> none, events: {len(details.events)}",
    )


def _listed_users(context: CommandContext) -> Sequence[UserSummary]:
    async def call(client: CloudflareClient, account_id: str) -> Sequence[UserSummary]:
        return (await client.read_summary(account_id)).users

    return context.call_api(call, permission=PERMISSIONS[ResourceName.SUMMARY])


def _details(context: CommandContext, user_id: str) -> UserDetails:
    async def call(client: CloudflareClient, account_id: str) -> UserDetails:
        return await client.read_user(account_id, user_id)

    return context.call_api(call, permission=PERMISSIONS[ResourceName.USERS])


def _user_id(context: CommandContext, user: str) -> str:
    """Return the id of a user given by id or email; only an email contains an @."""
    if "@" not in user:
        return user
    email = user.casefold()
    found = [one.user_id for one in _listed_users(context) if one.email.casefold() == email]
    if not found:
        raise UnknownUserError(
            "no listed user has this email; users whose level was cleared are not listed, use their id"
        )
    if len(found) > 1:
        ids = ", ".join(map(printable, found))
        raise UnknownUserError(f"several users have this email; use one of the ids: {ids}")
    return found[0]


def _highest_first(user: UserSummary) -> tuple[int, float, str]:
    return (-user.level.severity, -user.last_event, user.user_id)


def _summary_json(user: UserSummary) -> Json:
    return {
        "user_id": user.user_id,
        "email": user.email,
        "name": user.name,
        "event_count": user.event_count,
        "last_event": rfc3339(user.last_event),
        "max_risk_level": user.level.label,
    }


def _details_json(user_id: str, details: UserDetails) -> Json:
    return {
        "user_id": user_id,
        "email": details.email,
        "name": details.name,
        "risk_level": None if details.level is None else details.level.label,
        "last_reset_time": None if details.last_reset is None else rfc3339(details.last_reset),
        "events": [_event_json(event) for event in details.events],
    }


def _event_json(event: RiskEvent) -> Json:
    return {
        "id": event.id,
        "name": event.name,
        "risk_level": event.level.label,
        "timestamp": rfc3339(event.timestamp),
    }
