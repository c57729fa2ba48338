"""The API's eleven operations as coroutines that return values or raise a PollError."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol, TypeVar

from aiohttp import ClientSession

from exporter.clock import Clock
from exporter.cloudflare.client.credentials import TokenSource
from exporter.cloudflare.client.transport import DEFAULT_MAX_BODY_BYTES, Answer, Exchange, Transport
from exporter.cloudflare.wire import (
    Page,
    Request,
    Rows,
    SummarySlicer,
    check_success,
    join,
    read_behaviors,
    read_changes,
    read_integration,
    read_integrations,
    read_user,
    requests,
)
from exporter.errors import BadResponseError
from exporter.risk.model import (
    Behavior,
    BehaviorChange,
    Integration,
    KnownRows,
    SummaryReading,
    UserDetails,
)

Row = TypeVar("Row")
Value = TypeVar("Value")

_LONGEST_DETAILS = 8 * 1024 * 1024
"""Limit of one user's details, which are read in one piece: about 40,000 events. Several users are read
at the same time."""

_LONGEST_OTHER = 2 * 1024 * 1024
"""Limit of all other answers, which are also read in one piece: about 5,000 integrations."""


class _PageReader(Protocol[Row]):
    def __call__(self, body: bytes, *, page: int) -> Page[Rows[Row]]: ...


class CloudflareClient:
    """A client of the API with one token. The caller owns and closes the session.

    Each request takes at most `timeout_seconds`, body included. An inflated body longer than
    `max_body_bytes` raises BadResponseError; the limit is 8 MiB for a user's details and 2 MiB for
    all answers except the summary. `on_exchange` is called after every HTTP exchange, before the
    call returns or raises. Requests are not retried. An id that does not fit into a path raises
    ConfigurationError.
    """

    def __init__(
        self,
        session: ClientSession,
        *,
        api_url: str,
        token: TokenSource,
        timeout_seconds: float,
        on_exchange: Callable[[Exchange], None],
        clock: Clock,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    ) -> None:
        self._transport = Transport(
            session,
            api_url=api_url,
            token=token,
            timeout_seconds=timeout_seconds,
            on_exchange=on_exchange,
            clock=clock,
        )
        self._clock = clock
        self._token = token
        self._longest_summary = max_body_bytes
        self._longest_details = min(max_body_bytes, _LONGEST_DETAILS)
        self._longest_other = min(max_body_bytes, _LONGEST_OTHER)

    @property
    def token_fingerprint(self) -> str:
        """The fingerprint of the token that requests are sent with now."""
        return self._token.fingerprint

    async def stream_summary(
        self, account_id: str, *, known: KnownRows | None = None
    ) -> AsyncGenerator[SummaryReading, None]:
        """Yield the risk of all users in slices, and yield to the event loop after each.

        The slices are valid only once the iteration has ended without an exception. Raises
        BadResponseError at the end if there were rows and none could be read. A user may appear in
        several slices: `wire.newer` chooses between two rows, `wire.join` between all. Use
        `contextlib.aclosing` for an iteration that may end early.
        """
        number = total = 1
        readable = unreadable = 0
        while number <= total:
            slicer = SummarySlicer(page=number, known=known)
            request = requests.list_summary(account_id, page=number)
            async with self._transport.exchange(request, longest=self._longest_summary) as answer:
                async for piece in answer:
                    reading = slicer.feed(piece)
                    if reading is not None:
                        _note(reading, answer)
                        yield reading
                        await self._clock.sleep(0.0)
                last = slicer.finish()
                _note(last.value, answer)
            readable += answer.rows - answer.unreadable_rows
            unreadable += answer.unreadable_rows
            yield last.value
            number, total = number + 1, last.total
        _require_readable(readable, unreadable, field="result.users")

    async def read_summary(self, account_id: str) -> SummaryReading:
        """Read the risk of all users in one piece; use `stream_summary` for a large account."""
        return join([reading async for reading in self.stream_summary(account_id)])

    async def read_user(self, account_id: str, user_id: str) -> UserDetails:
        """Read one user's events and level.

        Raises NotFoundError for an unknown user, and BadResponseError if there are events and none
        could be read.
        """
        request = requests.get_user(account_id, user_id)
        async with self._transport.exchange(request, longest=self._longest_details) as answer:
            details = read_user(await answer.body())
            answer.note_rows(readable=len(details.events), unreadable=details.unreadable_events)
        _require_readable(len(details.events), details.unreadable_events, field="result.events")
        return details

    async def reset_user(self, account_id: str, user_id: str) -> None:
        """Clear one user's score."""
        await self._fetch(requests.reset_user(account_id, user_id), check_success)

    async def read_behaviors(self, account_id: str) -> tuple[Behavior, ...]:
        """Read all behaviors. Unreadable ones are left out and counted in the Exchange."""
        rows = await self._fetch_pages(
            lambda page: requests.get_behaviors(account_id, page=page), read_behaviors
        )
        return tuple({behavior.key: behavior for behavior in rows}.values())

    async def set_behaviors(
        self, account_id: str, changes: Mapping[str, BehaviorChange]
    ) -> Mapping[str, BehaviorChange]:
        """Configure some behaviors; return what the API reports as set."""
        return await self._fetch(requests.set_behaviors(account_id, changes), read_changes)

    async def list_integrations(self, account_id: str) -> tuple[Integration, ...]:
        """Read all integrations. Unreadable ones are left out and counted in the Exchange."""
        rows = await self._fetch_pages(
            lambda page: requests.list_integrations(account_id, page=page), read_integrations
        )
        return tuple({integration.integration_id: integration for integration in rows}.values())

    async def create_integration(
        self,
        account_id: str,
        *,
        integration_type: str,
        tenant_url: str,
        reference_id: str | None = None,
    ) -> Integration:
        """Create an integration. A RejectedError has the API's explanation."""
        request = requests.create_integration(
            account_id,
            integration_type=integration_type,
            tenant_url=tenant_url,
            reference_id=reference_id,
        )
        return await self._fetch(request, read_integration)

    async def read_integration(self, account_id: str, integration_id: str) -> Integration:
        """Read one integration by the API's id."""
        request = requests.get_integration(account_id, integration_id)
        return await self._fetch(request, read_integration)

    async def find_integration(self, account_id: str, reference_id: str) -> Integration:
        """Read one integration by its client-defined reference."""
        request = requests.find_integration(account_id, reference_id)
        return await self._fetch(request, read_integration)

    async def update_integration(
        self,
        account_id: str,
        integration_id: str,
        *,
        active: bool,
        tenant_url: str,
        reference_id: str | None = None,
    ) -> Integration:
        """Overwrite an integration's writable fields."""
        request = requests.update_integration(
            account_id,
            integration_id,
            active=active,
            tenant_url=tenant_url,
            reference_id=reference_id,
        )
        return await self._fetch(request, read_integration)

    async def delete_integration(self, account_id: str, integration_id: str) -> None:
        """Delete one integration."""
        request = requests.delete_integration(account_id, integration_id)
        await self._fetch(request, check_success)

    async def _fetch(self, request: Request, read: Callable[[bytes], Value]) -> Value:
        async with self._transport.exchange(request, longest=self._longest_other) as answer:
            return read(await answer.body())

    async def _fetch_pages(
        self, build: Callable[[int], Request], read: _PageReader[Row]
    ) -> list[Row]:
        """Read the rows of all pages.

        Raises BadResponseError if there are rows and none could be read.
        """
        rows: list[Row] = []
        unreadable = 0
        number = total = 1
        while number <= total:
            async with self._transport.exchange(
                build(number), longest=self._longest_other
            ) as answer:
                page = read(await answer.body(), page=number)
                answer.note_rows(readable=len(page.value.values), unreadable=page.value.unreadable)
            rows.extend(page.value.values)
            unreadable += page.value.unreadable
            number, total = number + 1, page.total
        _require_readable(len(rows), unreadable, field="result")
        return rows


def _note(reading: SummaryReading, answer: Answer) -> None:
    answer.note_rows(readable=reading.readable, unreadable=reading.unreadable)


def _require_readable(readable: int, unreadable: int, *, field: str) -> None:
    """Raise BadResponseError if there were rows and none could be read."""
    if unreadable and not readable:
        raise BadResponseError(f"none of {unreadable} rows could be read", field=field)
