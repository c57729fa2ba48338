"""`integrations` shows and manages who else is told of risk levels."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.app.asking import WRITE_PERMISSION
from exporter.app.status import PERMISSIONS
from exporter.cli.conversation import Conversation, add_group, add_question, begin
from exporter.cli.printing import (
    Json,
    instant_cell,
    print_fields,
    print_json,
    print_line,
    print_table,
    rfc3339,
    yes_or_no,
)
from exporter.cloudflare.client import CloudflareClient
from exporter.errors import ConfigurationError
from exporter.risk.model import Integration
from exporter.status import ResourceName

_READ_PERMISSION = PERMISSIONS[ResourceName.INTEGRATIONS]
_TYPES = ("Okta",)
"""The only type there is: https://developers.cloudflare.com/api/resources/zero_trust/"""


@dataclass(frozen=True, slots=True)
class _Writable:
    """What the API lets one change of an integration, all of it at once."""

    active: bool
    tenant_url: str
    reference_id: str


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that read integrations, and those that change them."""
    group = add_group(commands, "integrations", about="show and manage who is told of risk levels")
    add_question(group, "list", _list, about="list every integration")
    show = add_question(group, "show", _show, about="show one integration")
    find = add_question(group, "find", _find, about="show the integration of a reference")
    find.add_argument("reference", metavar="REFERENCE", help="what its creator called it")
    create = add_question(group, "create", _create, about="create an integration", changes=True)
    create.add_argument(
        "--type", type=str.capitalize, choices=_TYPES, required=True, help="what is integrated"
    )
    create.add_argument(
        "--tenant-url", metavar="URL", required=True, help="where the tenant is, with https://"
    )
    create.add_argument("--reference-id", metavar="TEXT", help="what you call it")
    update = add_question(group, "update", _update, about="change an integration", changes=True)
    switch = update.add_mutually_exclusive_group()
    switch.add_argument("--active", dest="active", action="store_true", default=None)
    switch.add_argument("--inactive", dest="active", action="store_false")
    update.add_argument("--tenant-url", metavar="URL", help="where the tenant is now")
    update.add_argument("--reference-id", metavar="TEXT", help="what you call it now")
    delete = add_question(group, "delete", _delete, about="delete an integration", changes=True)
    for parser in (show, update, delete):
        parser.add_argument("id", metavar="ID", help="the integration's id")


def _list(arguments: argparse.Namespace) -> int:
    conversation = begin(arguments)

    async def question(client: CloudflareClient, account_id: str) -> Sequence[Integration]:
        return await client.list_integrations(account_id)

    integrations = conversation.ask(question, permission=_READ_PERMISSION)
    if conversation.wants_json:
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
    conversation = begin(arguments)
    _print_integration(conversation, _integration(conversation, arguments.id))
    return 0


def _find(arguments: argparse.Namespace) -> int:
    conversation = begin(arguments)
    reference: str = arguments.reference

    async def question(client: CloudflareClient, account_id: str) -> Integration:
        return await client.find_integration(account_id, reference)

    _print_integration(conversation, conversation.ask(question, permission=_READ_PERMISSION))
    return 0


def _create(arguments: argparse.Namespace) -> int:
    conversation = begin(arguments)
    kind, tenant_url, reference_id = arguments.type, arguments.tenant_url, arguments.reference_id
    called = f", called {reference_id}" if reference_id else ""
    conversation.get_consent([f"  create an integration: {kind} at {tenant_url}{called}"])

    async def question(client: CloudflareClient, account_id: str) -> Integration:
        return await client.create_integration(
            account_id, integration_type=kind, tenant_url=tenant_url, reference_id=reference_id
        )

    _print_integration(conversation, conversation.ask(question, permission=WRITE_PERMISSION))
    return 0


def _update(arguments: argparse.Namespace) -> int:
    given = (arguments.active, arguments.tenant_url, arguments.reference_id)
    if not any(value is not None for value in given):
        raise ConfigurationError(
            "nothing to change: say --active, --inactive, --tenant-url or --reference-id"
        )
    conversation = begin(arguments)
    before = _integration(conversation, arguments.id)
    wanted = _written_over(before, arguments)
    plan = tuple(_differences(before, wanted))
    if not plan:
        _print_integration(conversation, before)
        return 0
    conversation.get_consent([f"  integration {before.integration_id}", *plan])

    async def question(client: CloudflareClient, account_id: str) -> Integration:
        return await client.update_integration(
            account_id,
            before.integration_id,
            active=wanted.active,
            tenant_url=wanted.tenant_url,
            reference_id=wanted.reference_id or None,
        )

    _print_integration(conversation, conversation.ask(question, permission=WRITE_PERMISSION))
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    conversation = begin(arguments)
    integration_id: str = arguments.id
    if not conversation.has_consent:
        one = _integration(conversation, integration_id)
        conversation.get_consent(
            [f"  delete integration {integration_id}: {one.integration_type} at {one.tenant_url}"]
        )

    async def question(client: CloudflareClient, account_id: str) -> None:
        await client.delete_integration(account_id, integration_id)

    conversation.ask(question, permission=WRITE_PERMISSION)
    if conversation.wants_json:
        print_json({"id": integration_id, "deleted": True})
    else:
        print_line(f"integration {integration_id}: deleted")
    return 0


def _integration(conversation: Conversation, integration_id: str) -> Integration:
    async def question(client: CloudflareClient, account_id: str) -> Integration:
        return await client.read_integration(account_id, integration_id)

    return conversation.ask(question, permission=_READ_PERMISSION)


def _written_over(before: Integration, arguments: argparse.Namespace) -> _Writable:
    """All that will be written: the API overwrites, so what is not said stays as it is."""
    active, tenant_url = arguments.active, arguments.tenant_url
    reference_id = arguments.reference_id
    return _Writable(
        active=before.active if active is None else active,
        tenant_url=before.tenant_url if tenant_url is None else tenant_url,
        reference_id=before.reference_id if reference_id is None else reference_id,
    )


def _differences(before: Integration, wanted: _Writable) -> Iterator[str]:
    if wanted.active != before.active:
        old, new = yes_or_no(value=before.active), yes_or_no(value=wanted.active)
        yield f"  active {old} -> {new}"
    if wanted.tenant_url != before.tenant_url:
        yield f"  tenant {before.tenant_url} -> {wanted.tenant_url}"
    if wanted.reference_id != before.reference_id:
        yield f"  reference {before.reference_id!r} -> {wanted.reference_id!r}"


def _print_integration(conversation: Conversation, one: Integration) -> None:
    if conversation.wants_json:
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
