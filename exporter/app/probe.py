"""Reads every resource of one account once, to find out what its token may read."""

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from exporter.app.api_call import open_client
from exporter.app.status import PERMISSIONS
from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient, Exchange, exposure
from exporter.errors import (
    ConfigurationError,
    NotFoundError,
    PollError,
    StatusError,
)
from exporter.polling.resource import UNREADABLE_PART
from exporter.risk.model import Behavior, Integration, SummaryReading, UserSummary
from exporter.settings import AccountSettings, Settings
from exporter.status import ResourceName

_Value = TypeVar("_Value")


class Verdict(StrEnum):
    """The result of one check."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with its details as text in `message` and as numbers in `values`.

    `account` is None if the check concerns no account. If accounts share what is checked, it
    holds their names, separated by commas.
    """

    subject: str
    verdict: Verdict
    message: str
    account: str | None = None
    values: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(slots=True)
class Probe:
    """The findings and the data of one account. What could not be read is None."""

    account: AccountSettings
    findings: list[Finding] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    users: tuple[UserSummary, ...] | None = None
    behaviors: tuple[Behavior, ...] | None = None
    integrations: tuple[Integration, ...] | None = None

    def note(self, subject: str, verdict: Verdict, message: str) -> None:
        """Add a finding about this account."""
        self.findings.append(Finding(subject, verdict, message, account=self.account.name))


async def probe_account(settings: Settings, account: AccountSettings, *, clock: Clock) -> Probe:
    """Read each resource of the account. Failures become findings."""
    probe = Probe(account)
    try:
        async with open_client(
            settings, account, clock=clock, on_exchange=probe.exchanges.append
        ) as client:
            probe.note("token", *_origin(account))
            await _read_resources(client, probe)
    except ConfigurationError as error:
        probe.note("token", Verdict.WRONG, str(error))
    _note_unreadable_rows(probe)
    return probe


def _note_unreadable_rows(probe: Probe) -> None:
    """Add a finding on unreadable rows by operation. It is wrong if they are a large part."""
    rows: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    for exchange in probe.exchanges:
        rows[exchange.operation] += exchange.rows
        unreadable[exchange.operation] += exchange.unreadable_rows
    counts = {operation: count for operation, count in unreadable.items() if count}
    if not counts:
        return
    are_many = any(count > UNREADABLE_PART * rows[one] for one, count in counts.items())
    listed = ", ".join(f"{one} {count} of {rows[one]}" for one, count in counts.items())
    verdict = Verdict.WRONG if are_many else Verdict.NOTE
    probe.note("answers", verdict, f"rows that could not be read: {listed}")


async def _read_resources(client: CloudflareClient, probe: Probe) -> None:
    account_id = probe.account.account_id
    summary: SummaryReading | None = await _attempt(
        probe, ResourceName.SUMMARY, client.read_summary(account_id)
    )
    probe.users = None if summary is None else summary.users
    if probe.users:
        await _attempt(
            probe, ResourceName.USERS, client.read_user(account_id, probe.users[0].user_id)
        )
    else:
        probe.note("users", Verdict.NOTE, "not checked: no user is listed")
    probe.behaviors = await _attempt(
        probe, ResourceName.BEHAVIORS, client.read_behaviors(account_id)
    )
    probe.integrations = await _attempt(
        probe, ResourceName.INTEGRATIONS, client.list_integrations(account_id)
    )


async def _attempt(
    probe: Probe, resource: ResourceName, answer: Awaitable[_Value]
) -> _Value | None:
    try:
        value = await answer
    except NotFoundError as error:
        # The user may have left the list since it was read; a 404 still proves the permission.
        is_gone = resource is ResourceName.USERS
        verdict = Verdict.OK if is_gone else Verdict.WRONG
        probe.note(resource, verdict, _explanation(resource, error))
    except PollError as error:
        probe.note(resource, Verdict.WRONG, _explanation(resource, error))
    else:
        probe.note(resource, Verdict.OK, f"readable, with the permission {PERMISSIONS[resource]}")
        return value
    return None


def _explanation(resource: ResourceName, error: PollError) -> str:
    """Return the reason and a remedy. Omit the API's text about a user, which may name the user."""
    is_private = resource is ResourceName.USERS and isinstance(error, StatusError)
    said = error.reason if is_private else f"{error.reason} ({error})"
    if isinstance(error, NotFoundError) and resource is ResourceName.USERS:
        return said
    remedy = error.remedy(PERMISSIONS[resource])
    return f"{said}: {remedy}" if remedy else said


def _origin(account: AccountSettings) -> tuple[Verdict, str]:
    path = account.api_token_file
    if path is None:
        return Verdict.OK, "set as a value"
    problem = exposure(path)
    if problem is not None:
        return Verdict.NOTE, f"readable in {path}, which {problem}"
    return Verdict.OK, f"readable in {path}"
