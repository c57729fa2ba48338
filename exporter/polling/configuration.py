"""Polling the configuration: behaviors, whose names events go by, and integrations."""

import asyncio

from exporter.errors import PollError
from exporter.polling.context import AccountContext
from exporter.polling.quota import Priority
from exporter.polling.resource import Resource
from exporter.risk.ledger import observe_behaviors

RELEARN_SECONDS = 60.0
"""An unknown event name makes us ask for the behaviors out of turn, not oftener than this."""


class BehaviorsPoller:
    """Reads an account's behaviors; what they are called is kept for counting events."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")

    async def poll(self) -> PollError | None:
        """Poll once; polls never overlap."""
        async with self._lock:
            return await self._poll()

    async def relearn(self) -> None:
        """Poll out of turn, unless that was done a moment ago."""
        async with self._lock:
            if self._context.clock.monotonic() - self._asked_at >= RELEARN_SECONDS:
                await self._poll()

    async def _poll(self) -> PollError | None:
        context = self._context
        await context.admit(Priority.CONFIGURATION)
        self._asked_at = context.clock.monotonic()
        outcome = await self._resource.attempt(
            lambda: context.client.read_behaviors(context.account_id)
        )
        if isinstance(outcome, PollError):
            return outcome
        now = context.clock.time()
        async with context.journal.lock:
            changes = observe_behaviors(context.journal.ledger, outcome, now=now)
            entry = await context.recorder.record(changes)
        context.publication.behaviors = outcome
        await context.publication.show(entry)
        return None


class IntegrationsPoller:
    """Reads an account's integrations; nothing of them is remembered."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource

    async def poll(self) -> PollError | None:
        """Poll once."""
        context = self._context
        await context.admit(Priority.CONFIGURATION)
        outcome = await self._resource.attempt(
            lambda: context.client.list_integrations(context.account_id)
        )
        if isinstance(outcome, PollError):
            return outcome
        context.publication.integrations = outcome
        await context.publication.show()
        return None
