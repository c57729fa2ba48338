from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.simulator import Talk, still_scenario, talk_to_simulator


@pytest_asyncio.fixture
async def talk() -> AsyncIterator[Talk]:
    """A simulator with Ada and Bob and without activity."""
    async with talk_to_simulator() as talk:
        yield talk


@pytest_asyncio.fixture
async def strict_talk() -> AsyncIterator[Talk]:
    """The same simulator with strict validation of requests."""
    async with talk_to_simulator(still_scenario(validation="strict")) as talk:
        yield talk
