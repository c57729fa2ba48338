"""What the pollers share is wired so that a scrape goes before their work."""

import asyncio

from exporter.app.runtime import open_runtime
from exporter.risk.model import AccountSnapshot
from tests.support.manual_clock import ManualClock
from tests.support.polling import settings_of

SETTINGS = settings_of(
    "http://127.0.0.1:9", [{"name": "acme", "account_id": "a" * 32, "api_token": "a-token"}]
)


class Noticing(ManualClock):
    """A clock that tells when somebody waits by it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_by = asyncio.Event()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait as ever."""
        self.is_waited_by.set()
        return await super().wait(event, seconds)


async def test_publishing_gives_way_to_a_scrape() -> None:
    """Rendering a whole account is a second of work, in the middle of which Prometheus asks."""
    clock = Noticing()
    async with open_runtime(SETTINGS, clock=clock) as runtime, asyncio.TaskGroup() as tasks:
        with runtime.scrape_priority.sending():
            publication = tasks.create_task(
                runtime.exposition.publish(AccountSnapshot("acme", "1"), changed=None)
            )
            waiting = tasks.create_task(clock.is_waited_by.wait())
            done, _ = await asyncio.wait(
                {publication, waiting}, return_when=asyncio.FIRST_COMPLETED
            )
            assert done == {waiting}
        await publication
