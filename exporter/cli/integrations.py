"""The commands `integrations list`, `show`, `find`, `create`, `update` and `delete`."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.app.api_call import WRITE_PERMISSION
from exporter.app.status import PERMISSIONS
from exporter.cli.context import CommandContext, add_api_command, add_subcommands, open_context
from exporter.cli.output import Json, print_json, print_line, rfc3339
from exporter.cli.parser import CommandParser
from exporter.cli.tables import instant_cell, print_fields, print_table, yes_or_no
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ConfigurationError
from exporter.risk.model import Integration
from exporter.status import ResourceName

_READ_PERMISSION = PERMISSIONS[ResourceName.INTEGRATIONS]
_TYPES = ("Okta",)
"""The only type: https://developers.cloudflare.com/api/resources/zero_trust/"""


@dataclass(frozen=True, slots=True)
class _Writable:
    """The fields of an integration that can be changed; the API needs all of them at once."""

    active: bool
    tenant_url: str
    reference_id: str


def add_arguments(parser: CommandParser) -> None:
    """Add the commands that read integrations, and those that change them."""
    commands = add_subcommands(
        parser, about="Show and manage the integrations that receive risk levels."
    )
    add_api_command(commands, "list", _list, about="list the integrations")
    show = add_api_command(commands, "show", _show, about="show an integration")
    find = add_api_command(
        commands, "find", _find, about="show the integration with a reference id"
    )
    find.add_argument(
        "reference", metavar="REFERENCE", help="the reference id given at its creation"
    )
    create = add_api_command(
        commands, "create", _create, about="create an integration", changes=True
    )
    create.add_argument(
        "--type",
        type=str.capitalize,
        choices=_TYPES,
        required=True,
        help="the type of the integration",
    )
    create.add_argument(
        "--tenant-url", metavar="URL", required=True, help="the URL of the tenant, with https://"
    )
    create.add_argument("--reference-id", metavar="TEXT", help="a reference id of your choice")
    update = add_api_command(
        commands, "update", _update, about="change an integration", changes=True
    )
    switch = update.add_mutually_exclusive_group()
    switch.add_argument("--active", dest="active", action="store_true", default=None)
    switch.add_argument("--inactive", dest="active", action="store_false")
    update.add_argument("--tenant-url", metavar="URL", help="the new URL of the tenant")
    update.add_argument("--reference-id", metavar="TEXT", help="the new reference id")
    delete = add_api_command(
        commands, "delete", _delete, about="delete an integration", changes=True
    )
    for command in (show, update, delete):
        command.add_argument("id", metavar="ID", help="the integration's id")


def _list(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)

    async def call(client: CloudflareClient, account_id: str) -> Sequence[Integration]:
        return await client.list_integrations(account_id)

    integrations = context.call_api(call, permission=_READ_PERMISSION)
    if context.wants_json:
        print_json({"integrations": [_integration_json(one) for one in integrations]})
    else:
        print_table(
            ("id", "type", "tenant", "reference", "active", "created"),
            (
                (
                    one.integration_id,
                    one.integration_type,
                    one.tenant_url,
                    one.reference_id,
                    yes_or_no(value=one.active),
                    instant_cell(one.created_at),
                )
                for one in integrations
            ),
            beneath=("tenant", "reference"),
        )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    _print_integration(context, _integration(context, arguments.id))
    return 0


def _find(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    reference: str = arguments.reference

    async def call(client: CloudflareClient, account_id: str) -> Integration:
        return await client.find_integration(account_id, reference)

    _print_integration(context, context.call_api(call, permission=_READ_PERMISSION))
    return 0


def _create(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    kind, tenant_url, reference_id = arguments.type, arguments.tenant_url, arguments.reference_id
    reference = f", reference id {reference_id}" if reference_id else ""
    context.confirm([f"  create an integration: {kind} at {tenant_url}{reference}"])

    async def call(client: CloudflareClient, account_id: str) -> Integration:
        return await client.create_integration(
            account_id, integration_type=kind, tenant_url=tenant_url, reference_id=reference_id
        )

    _print_integration(context, context.call_api(call, permission=WRITE_PERMISSION))
    return 0


def _update(arguments: argparse.Namespace) -> int:
    given = (arguments.active, arguments.tenant_url, arguments.reference_id)
    if not any(value is not None for value in given):
        raise ConfigurationError(
            "nothing to change; use --active, --inactive, --tenant-url or --reference-id"
        )
    context = open_context(arguments)
    before = _integration(context, arguments.id)
    new = _changed(before, arguments)
    plan = tuple(_differences(before, new))
    if not plan:
        _print_integration(context, before)
        return 0
    context.confirm([f"  integration {before.integration_id}", *plan])

    async def call(client: CloudflareClient, account_id: str) -> Integration:
        return await client.update_integration(
            account_id,
            before.integration_id,
            active=new.active,
            tenant_url=new.tenant_url,
            reference_id=new.reference_id or None,
        )

    _print_integration(context, context.call_api(call, permission=WRITE_PERMISSION))
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    context = open_context(arguments)
    integration_id: str = arguments.id
    if not context.is_confirmed:
        one = _integration(context, integration_id)
        context.confirm(
            [f"  delete integration {integration_id}: {one.integration_type} at {one.tenant_url}"]
        )

    async def call(client: CloudflareClient, account_id: str) -> None:
        await client.delete_integration(account_id, integration_id)

    context.call_api(call, permission=WRITE_PERMISSION)
    if context.wants_json:
        print_json({"id": integration_id, "deleted": True})
    else:
        print_line(f"integration {integration_id}: deleted")
    return 0


def _integration(context: CommandContext, integration_id: str) -> Integration:
    async def call(client: CloudflareClient, account_id: str) -> Integration:
        return await client.read_integration(account_id, integration_id)

    return context.call_api(call, permission=_READ_PERMISSION)


def _changed(before: Integration, arguments: argparse.Namespace) -> _Writable:
    """Return all fields to write; the API overwrites them all, so those not given are kept."""
    active, tenant_url = arguments.active, arguments.tenant_url
    reference_id = arguments.reference_id
    return _Writable(
        active=before.active if active is None else active,
        tenant_url=before.tenant_url if tenant_url is None else tenant_url,
        reference_id=before.reference_id if reference_id is None else reference_id,
    )


def _differences(before: Integration, new: _Writable) -> Iterator[str]:
    if new.active != before.active:
        was, becomes = yes_or_no(value=before.active), yes_or_no(value=new.active)
        yield f"  active {was} -> {becomes}"
    if new.tenant_url != before.tenant_url:
        yield f"  tenant {before.tenant_url} -> {new.tenant_url}"
    if new.reference_id != before.reference_id:
        yield f"  reference {before.reference_id!r} -> {new.reference_id!r}"


def _print_integration(context: CommandContext, one: Integration) -> None:
    if context.wants_json:
        print_json(_integration_json(one))
        return
    print_fields(
        {
            "id": one.integration_id,
            "type": one.integration_type,
            "tenant": one.tenant_url,
            "reference": one.reference_id,
            "active": yes_or_no(value=one.active),
            "created": instant_cell(one.created_at),
            "well-known": one.well_known_url,
        }
    )


def _integration_json(one: Integration) -> Json:
    return {
        "id": one.integration_id,
        "account_tag": one.account_tag,
        "active": one.active,
        "created_at": rfc3339(one.created_at),
        "integration_type": one.integration_type,
        "reference_id": one.reference_id,
        "tenant_url": one.tenant_url,
        "well_known_url": one.well_known_url,
    }
