"""One full poll: which details it reads, what it reports, and what it waits for."""

from collections.abc import Mapping, Sequence

import pytest
from aiohttp import web

from exporter.app.once import OnceResult, QuotaWait, poll_once
from tests.support.answers import answer, event, row, summary, user
from tests.support.clock import EPOCH, LoopClock, in_fake_time
from tests.support.commands import run_command
from tests.support.polling import settings_of
from tests.support.scripted_api import ACCOUNT_ID, Answer, ScriptedApi, body, scripted_api
from tests.support.terminal import run_at_terminal

ACCOUNT = {"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}
BROKEN = body(answer({"events": "none"}))


async def once(api: ScriptedApi, **values: object) -> OnceResult:
    """Poll the one account of a scripted API once."""
    return await poll_once(settings_of(api.url, [ACCOUNT], **values), clock=LoopClock())


@in_fake_time
async def test_a_first_poll_reads_the_details_of_one_listed_user() -> None:
    """Nobody has changed yet, and still it must be known whether details can be read."""
    async with scripted_api() as api:
        api.answers["summary"] = body(summary([row("ann"), row("bob")]))
        for user_id in ("ann", "bob"):
            api.answers[user_id] = body(answer(user(event())))
        result = await once(api)

        assert (result.failed, result.notes) == ((), ())
        assert api.asked.get("ann", 0) + api.asked.get("bob", 0) == 1


@in_fake_time
async def test_a_first_poll_fails_where_no_details_can_be_read() -> None:
    """`once` promises to fail for every resource that cannot be read."""
    async with scripted_api() as api:
        api.answers["summary"] = body(summary([row("ann")]))
        api.answers["ann"] = BROKEN
        result = await once(api)

        assert result.failed == ("acme: users (bad_response)",)


@in_fake_time
async def test_a_poll_of_an_account_that_lists_nobody_succeeds_and_says_so() -> None:
    """There is no user whose details could be tried."""
    async with scripted_api() as api:
        result = await once(api)

        assert result.failed == ()
        assert result.notes == ("acme: no user is listed, so no user's details were tried",)


# Waiting for the quota -------------------------------------------------------------------------


def with_little_left(content: bytes, *, reset_seconds: int) -> Answer:
    """Answer that a twelfth of the quota is left, which only summaries may use."""
    headers: Mapping[str, str] = {
        "Ratelimit": f'"default";r=100;t={reset_seconds}',
        "Ratelimit-Policy": '"default";q=1200;w=300',
    }

    async def give(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json", headers=headers)

    return give


@in_fake_time
async def test_a_poll_that_waits_for_the_quota_says_what_for_and_until_when() -> None:
    """Ninety silent seconds look like a hang."""
    seen: list[Sequence[QuotaWait]] = []
    async with scripted_api() as api:
        behaviors = answer({"behaviors": {}})
        api.answers["behaviors"] = with_little_left(behaviors, reset_seconds=90)
        clock = LoopClock()
        await poll_once(settings_of(api.url, [ACCOUNT]), clock=clock, on_waiting=seen.append)

    waits = {wait.account: wait for waits in seen for wait in waits}
    assert waits["acme"].reason == "budget"
    assert waits["acme"].until == pytest.approx(EPOCH + 90.0, abs=2.0)
    assert sum(bool(waits) for waits in seen) >= 100


@pytest.mark.slow
async def test_the_command_logs_a_wait_once_and_shows_it_on_a_terminal() -> None:
    """A cron job's log has one line; a person sees a line that is kept up to date."""
    async with scripted_api() as api:
        behaviors = answer({"behaviors": {}})
        api.answers["behaviors"] = with_little_left(behaviors, reset_seconds=4)
        environ = {
            "CLOUDFLARE_API_TOKEN": "a-token",
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT_ID,
            "RISK_EXPORTER_API_URL": api.url,
            "RISK_EXPORTER_STATE": "memory:",
        }
        ending = await run_command("once", **environ)
        screen = await run_at_terminal("once", **environ)

    assert ending.status == 0, ending.err
    assert ending.err.count("quota.awaited") == 1
    assert "reason=budget" in ending.err.replace('"', "").replace(": ", "=")
    assert screen.status == 0
    assert "waiting for the share of the quota until" in " ".join(screen.shown.split())
