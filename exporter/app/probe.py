"""Requests every resource of one account once, to find out what its token may read."""

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
    """How a thing stands."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `message` is for people, `values` for programs.

    `account` is None where it is about none, and names several, with commas, where they share it.
    """

    subject: str
    verdict: Verdict
    message: str
    account: str | None = None
    values: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(slots=True)
class Probe:
    """What was found and read of one account; None is what could not be read."""

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
    """Ask for everything an exporter reads; whatever fails becomes a finding."""
    probe = Probe(account)
    try:
        async with open_client(
            settings, account, clock=clock, on_exchange=probe.exchanges.append
        ) as client:
            probe.note("token", *_origin(account))
            await _ask_everything(client, probe)
    except ConfigurationError as error:
        probe.note("token", Verdict.WRONG, str(error))
    _note_unreadable_rows(probe)
    return probe


def _note_unreadable_rows(probe: Probe) -> None:
    """Note how many rows of which operation could not be read, and fail where they are many."""
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


async def _ask_everything(client: CloudflareClient, probe: Probe) -> None:
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
        probe.note("users", Verdict.NOTE, "not asked for: no listed user is known")
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
        # Of a user: who was listed a moment ago may be gone, and the permission is there.
        is_gone = resource is ResourceName.USERS
        verdict = Verdict.OK if is_gone else Verdict.WRONG
        probe.note(resource, verdict, _explanation(resource, error))
    except PollError as error:
        probe.note(resource, Verdict.WRONG, _explanation(resource, error))
    else:
        probe.note(resource, Verdict.OK, f"readable, by {PERMISSIONS[resource]}")
        return value
    return None


def _explanation(resource: ResourceName, error: PollError) -> str:
    """Return what failed and what may help. What the API says of one user may name that user."""
    is_private = resource is ResourceName.USERS and isinstance(error, StatusError)
    said = error.reason if is_private else f"{error.reason} ({error})"
    if isinstance(error, NotFoundError) and resource is ResourceName.USERS:
        return said
    remedy = error.remedy(PERMISSIONS[resource])
    return f"{said}: {remedy}" if remedy else said


def _origin(account: AccountSettings) -> tuple[Verdict, str]:
    path = account.api_token_file
    if path is None:
        return Verdict.OK, "given as a value"
    problem = exposure(path)
    if problem is not None:
        return Verdict.NOTE, f"readable in {path}, which {problem}"
    return Verdict.OK, f"readable in {path}"
