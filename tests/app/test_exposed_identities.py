"""What `/metrics` gives away of people, in both formats, after real polls."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.app.serving import serve
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import account_settings, settings_of
from tests.support.simulator import ADA, BOB, Talk, talk_to_simulator

FORMATS = ("text/plain", "application/openmetrics-text; version=1.0.0")
NAMES = ("ada@example.com", "bob@example.com", "Lovelace", '"Bob"')
USER_INFO = 'cloudflare_zt_risk_user_info{account="acme",user_id="'
USER_IDS = re.compile(r'user_level\{account="acme",user_id="([^"]+)"\} 3')


@asynccontextmanager
async def scrapes(identity: str) -> AsyncIterator[tuple[Talk, list[str]]]:
    """What each format shows of Ada and Bob, both of whom triggered something since the start."""
    clock = LoopClock()
    started = asyncio.get_running_loop().create_future()
    async with talk_to_simulator(clock=clock) as talk, asyncio.TaskGroup() as tasks:
        settings = settings_of(
            talk.simulator.api_url,
            account_settings(talk),
            identity=identity,
            listen="127.0.0.1:0",
        )
        serving = tasks.create_task(serve(settings, clock=clock, on_ready=started.set_result))
        url = await started
        await clock.sleep(1.0)
        for user_id in (ADA, BOB):
            await talk.order("events", user=user_id, behavior="imp_travel")
        await clock.sleep(120.0)
        yield talk, [await scraped(talk, url, accept=accept) for accept in FORMATS]
        serving.cancel()


async def scraped(talk: Talk, url: str, *, accept: str) -> str:
    """What a scraper reads that takes this format."""
    async with talk.session.get(f"{url}/metrics", headers={"Accept": accept}) as answer:
        assert answer.content_type in accept
        return await answer.text()


@in_fake_time
async def test_full_identity_says_who_a_user_is_on_one_metric_alone() -> None:
    """An alert must name whom to look at, and whoever drops that metric drops every name."""
    async with scrapes("full") as (_, texts):
        for text in texts:
            lines = [line for line in text.splitlines() if any(name in line for name in NAMES)]
            assert set(USER_IDS.findall(text)) == {ADA, BOB}
            assert sorted(line.removeprefix(USER_INFO) for line in lines) == [
                f'{ADA}",email="ada@example.com",name="Ada \\"Countess\\" Lovelace"}} 1',
                f'{BOB}",email="bob@example.com",name="Bob"}} 1',
            ]


@in_fake_time
async def test_no_identity_leaves_cloudflare_s_ids_alone() -> None:
    """Who may look them up can; nobody else learns a name."""
    async with scrapes("none") as (_, texts):
        for text in texts:
            assert set(USER_IDS.findall(text)) == {ADA, BOB}
            assert "user_info" not in text
            assert not [name for name in NAMES if name in text]


@in_fake_time
async def test_a_pseudonym_stands_in_the_place_of_every_id() -> None:
    """One series under the real id would give away whose all the others are."""
    async with scrapes("pseudonym") as (_, texts):
        pseudonyms = [set(USER_IDS.findall(text)) for text in texts]
        for text in texts:
            assert "user_info" not in text
            assert not [word for word in (*NAMES, ADA, BOB) if word in text]
            assert text.count("user_events_total{") == 2
        assert pseudonyms[0] == pseudonyms[1]
        assert [len(one) for one in sorted(pseudonyms[0])] == [32, 32]


@in_fake_time
async def test_the_only_ids_of_cloudflare_s_beside_pseudonyms_are_those_of_events() -> None:
    """They stand in exemplars, for whoever may look an event up in the dashboard."""
    async with scrapes("pseudonym") as (talk, texts):
        truth = await talk.truth(users="true")
        events = {event.id for who in (ADA, BOB) for event in truth.user(who).events}
        exemplars = {match for text in texts for match in re.findall(r'event_id="(.+?)"', text)}

        assert exemplars
        assert exemplars <= events
        assert "event_id" not in texts[0]
