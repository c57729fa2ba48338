"""A configuration that is refused only after some of its accounts were built."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from exporter.app.serving import serve
from exporter.risk.ledger import AccountRecord, Changes
from exporter.settings import Settings
from exporter.store import open_sqlite
from tests.support.polling import settings_of

ACCOUNT_IDS = {name: name[0] * 32 for name in ("acme", "beta", "delta")}


def settings(state: Path, *names: str) -> Settings:
    """Accounts of an API that nobody answers for."""
    accounts = [
        {"name": name, "account_id": ACCOUNT_IDS[name], "api_token": "a-token-of-no-account"}
        for name in names
    ]
    return settings_of(
        "http://127.0.0.1:9",
        accounts,
        state=f"sqlite:{state}",
        listen="127.0.0.1:0",
        enable_lifecycle=True,
    )


async def remember(state: Path, account_id: str) -> None:
    """Make a state file that knows the account."""
    async with open_sqlite(state) as store:
        await store.load(account_id, now=1.0)
        await store.commit(account_id, Changes(account=AccountRecord(created=1.0)))


def damage(state: Path) -> None:
    """Let no account be read any more that the file knows."""
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("ALTER TABLE names RENAME TO elsewhere")


async def test_a_refused_reload_leaves_nothing_of_the_accounts_it_would_have_added(
    tmp_path: Path,
) -> None:
    """Nobody polls them: each would look like an account that fails, until the next restart."""
    state = tmp_path / "state.db"
    await remember(state, ACCOUNT_IDS["delta"])
    started = asyncio.get_running_loop().create_future()
    wanted = settings(state, "acme", "beta", "delta")
    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(trust_env=False) as client:
        serving = tasks.create_task(
            serve(settings(state, "acme"), on_ready=started.set_result, load=lambda: wanted)
        )
        url = await started
        damage(state)
        answer = await client.post(f"{url}/-/reload")
        text = (await client.get(f"{url}/metrics")).text
        serving.cancel()

    assert (answer.status_code, "cannot be read" in answer.text) == (500, True)
    assert 'cloudflare_zt_risk_up{account="acme"}' in text
    assert 'account="beta"' not in text
    assert 'account="delta"' not in text
