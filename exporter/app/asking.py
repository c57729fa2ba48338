"""One account's API for a person who waits for the answer: no state, no pollers, no governor.

A person's few requests are what the part of the quota that the exporter never spends is for, so
nothing holds them back, and an exporter may be running meanwhile.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.app.accounts import token_source
from exporter.clock import Clock
from exporter.cloudflare.client import CloudflareClient, Exchange, open_session
from exporter.errors import PollError
from exporter.settings import AccountSettings, Settings

WRITE_PERMISSION = "Zero Trust Write"
"""What a token needs to change anything, as Cloudflare's API reference names it."""

_Value = TypeVar("_Value")

Question = Callable[[CloudflareClient, str], Awaitable[_Value]]
"""What to do with a client and the id of the account it is for."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[_Value]):
    """What a question gave, and how many rows of it could not be understood and are left out."""

    value: _Value
    unreadable_rows: int


@asynccontextmanager
async def open_client(
    settings: Settings,
    account: AccountSettings,
    *,
    clock: Clock,
    on_exchange: Callable[[Exchange], None],
) -> AsyncIterator[CloudflareClient]:
    """Open a client of one account's API, over a session of its own.

    Raises ConfigurationError for a token that cannot be read.
    """
    token = token_source(account)
    async with open_session() as session:
        yield CloudflareClient(
            session,
            api_url=settings.api_url,
            token=token,
            timeout_seconds=settings.api_timeout,
            on_exchange=on_exchange,
            clock=clock,
        )


async def ask(
    settings: Settings,
    account: AccountSettings,
    question: Question[_Value],
    *,
    permission: str,
    clock: Clock,
) -> Answer[_Value]:
    """Ask one question; nothing is tried again.

    `permission` is what it needs, for the advice in a PollError's message. Raises PollErrors, and
    ConfigurationError for a token that cannot be read.
    """
    exchanges: list[Exchange] = []
    async with open_client(settings, account, clock=clock, on_exchange=exchanges.append) as client:
        try:
            value = await question(client, account.account_id)
        except PollError as error:
            error.advice = error.remedy(permission)
            raise
    return Answer(value, sum(exchange.unreadable_rows for exchange in exchanges))
