"""What `serve` asks of the process it runs in."""

import asyncio
import gc

from exporter.app.serving import serve
from exporter.settings import Settings
from tests.support.processes import free_port


async def test_what_is_there_before_serving_is_spared_by_the_collector() -> None:
    """Looking through modules and ledgers now and then would hold up scrapes, and find nothing."""
    account = {"name": "acme", "account_id": "1" * 32, "api_token": "secret"}
    settings = Settings.model_validate(
        {
            "accounts": [account],
            "api_url": f"http://127.0.0.1:{free_port()}",
            "listen": f"127.0.0.1:{free_port()}",
            "state": "memory:",
        }
    )
    spared = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(settings, on_ready=lambda _: spared.set_result(gc.get_freeze_count()))
    )
    try:
        assert await spared > 0
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        gc.unfreeze()
