"""Polling the configuration: behaviors, whose names events go by, and integrations."""

import asyncio

from exporter.errors import ForbiddenError, PollError, UnauthorizedError
from exporter.polling.context import AccountContext
from exporter.polling.priority import Priority
from exporter.polling.resource import Resource
from exporter.polling.schedule import REFUSED_DELAY_SECONDS
from exporter.risk.ledger import observe_behaviors

RELEARN_SECONDS = 60.0
"""Where asking for the behaviors out of turn taught nothing, that is not done again sooner."""


class BehaviorsPoller:
    """Reads an account's behaviors; what they are called is kept for counting events."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._in_vain_at = float("-inf")

    async def poll(self) -> PollError | None:
        """Poll once; polls never overlap."""
        async with self._lock:
            refusal = self._refusal()
            return await self._poll() if refusal is None else refusal

    async def relearn(self, heard_at: float) -> None:
        """Poll out of turn, because an unknown name was heard of at `heard_at`.

        An instant of the monotonic clock. Nothing is asked where that was done since.
        """
        async with self._lock:
            now = self._context.clock.monotonic()
            if self._asked_at > heard_at or now < self._in_vain_at + RELEARN_SECONDS:
                return
            known = len(self._context.journal.ledger.names)
            await self._poll()
            if len(self._context.journal.ledger.names) == known:
                self._in_vain_at = self._context.clock.monotonic()

    def _refusal(self) -> PollError | None:
        """Why the token was refused, if that is too short a time ago to show it again."""
        error = self._resource.error
        rested = self._context.clock.monotonic() - self._asked_at
        is_refused = isinstance(error, UnauthorizedError | ForbiddenError)
        return error if is_refused and rested < REFUSED_DELAY_SECONDS else None

    async def _poll(self) -> PollError | None:
        context = self._context
        admission = await context.admit(Priority.CONFIGURATION)
        with context.work.running():
            with admission:
                self._asked_at = context.clock.monotonic()
                outcome = await self._resource.attempt(
                    lambda: context.client.read_behaviors(context.account_id)
                )
            if isinstance(outcome, PollError):
                self._in_vain_at = context.clock.monotonic()
                return outcome
            now = context.clock.time()
            async with context.journal.lock:
                changes = observe_behaviors(context.journal.ledger, outcome, now=now)
                await context.recorder.record(changes)
            context.standing.behaviors = outcome
            await context.publication.show()
            return None


class IntegrationsPoller:
    """Reads an account's integrations; nothing of them is remembered."""

    def __init__(self, context: AccountContext, resource: Resource) -> None:
        self._context = context
        self._resource = resource

    async def poll(self) -> PollError | None:
        """Poll once."""
        context = self._context
        admission = await context.admit(Priority.CONFIGURATION)
        with context.work.running():
            with admission:
                outcome = await self._resource.attempt(
                    lambda: context.client.list_integrations(context.account_id)
                )
            if isinstance(outcome, PollError):
                return outcome
            context.standing.integrations = outcome
            await context.publication.show()
            return None
