"""Single requests to one account's API for a person: without state, pollers or governor.

These few requests are not counted against the exporter's share of the quota. An exporter may run
at the same time.
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
"""The permission that a token needs to change anything, as Cloudflare's API reference names it."""

_Value = TypeVar("_Value")

ApiCall = Callable[[CloudflareClient, str], Awaitable[_Value]]
"""A function of a client and an account id that sends requests and returns a value."""


@dataclass(frozen=True, slots=True)
class ApiResult(Generic[_Value]):
    """The value of a call, and how many rows of its responses were unreadable and left out."""

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
    """Open a client of one account's API with its own session.

    Raises ConfigurationError if the token cannot be read.
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


async def call_api(
    settings: Settings,
    account: AccountSettings,
    call: ApiCall[_Value],
    *,
    permission: str,
    clock: Clock,
) -> ApiResult[_Value]:
    """Run one call, without retries.

    `permission` is the permission it needs, for the advice in a PollError's message. Raises
    PollErrors, and ConfigurationError if the token cannot be read.
    """
    exchanges: list[Exchange] = []
    async with open_client(settings, account, clock=clock, on_exchange=exchanges.append) as client:
        try:
            value = await call(client, account.account_id)
        except PollError as error:
            error.advice = error.remedy(permission)
            raise
    return ApiResult(value, sum(exchange.unreadable_rows for exchange in exchanges))
