"""Reads the past events of every account in the settings."""

import asyncio

from exporter.app.accounts import (
    build_accesses,
    build_client,
    build_disclosure,
    build_resources,
    jitter,
)
from exporter.app.runtime import Runtime, open_runtime
from exporter.backfill import AccountReading, AccountSource, Progress, Timeline, read_account
from exporter.clock import Clock
from exporter.errors import ConfigurationError
from exporter.risk.model import Identity
from exporter.settings import MemoryState, Settings, UsersMinLevel


async def read_past(
    settings: Settings, timeline: Timeline, *, clock: Clock, progress: Progress
) -> tuple[AccountReading, ...]:
    """Read the events that the API still holds, of all accounts concurrently.

    The state is opened only for pseudonyms, whose key it holds. Otherwise an exporter may be
    running. Raises ConfigurationError if a token cannot be read, or if pseudonyms are wanted and
    the state is in memory; StateError if the state is needed and cannot be opened.
    """
    async with open_runtime(_with_state_needed(settings), clock=clock) as runtime:
        disclosure = build_disclosure(settings, await runtime.store.pseudonym_key())
        sources = _sources(settings, runtime)
        async with asyncio.TaskGroup() as tasks:
            readings = [
                tasks.create_task(
                    read_account(source, timeline, disclosure=disclosure, progress=progress)
                )
                for source in sources
            ]
        return tuple(reading.result() for reading in readings)


def _with_state_needed(settings: Settings) -> Settings:
    users_are_shown = settings.users_min_level is not UsersMinLevel.NONE and settings.users_limit
    if not users_are_shown or settings.identity is not Identity.PSEUDONYM:
        return settings.model_copy(update={"state": MemoryState()})
    if isinstance(settings.state, MemoryState):
        raise ConfigurationError(
            "pseudonyms are made with a key in the state, and memory: forgets it: name the state "
            "the exporter will have, or leave users out (--users-min-level none)"
        )
    return settings


def _sources(settings: Settings, runtime: Runtime) -> tuple[AccountSource, ...]:
    accesses = build_accesses(settings, runtime)
    return tuple(
        AccountSource(
            account=account.name,
            account_id=account.account_id,
            client=build_client(
                account,
                settings,
                runtime,
                access,
                build_resources(account, settings, runtime),
            ),
            governor=access.governor,
            clock=runtime.clock,
            jitter=jitter,
        )
        for account, access in zip(settings.accounts, accesses, strict=True)
    )
