"""Exemplars over restarts: Prometheus refuses one that is older than one it has of the series."""

import re
from pathlib import Path

from exporter.cli.output import rfc3339
from exporter.store import open_sqlite
from tests.support.answers import answer, event, row, summary, user
from tests.support.clock import LoopClock, in_fake_time
from tests.support.polling import Exporter, polling_in, runtime_of, settings_of
from tests.support.scripted_api import ACCOUNT_ID, ScriptedApi, body, scripted_api

_EXEMPLAR = re.compile(r'^(\S+_total\{.*\}) \d+ # \{event_id="(.+)"\} 1 (\S+)$', re.MULTILINE)
_SETTINGS = [{"name": "acme", "account_id": ACCOUNT_ID, "api_token": "a-token"}]


def exemplars(exporter: Exporter) -> dict[str, tuple[str, float]]:
    """Return the id and the instant of each series' exemplar."""
    scrape = exporter.runtime.exposition.scrape(
        openmetrics=True, gzip=False, names=None, telemetry=b""
    )
    text = b"".join(scrape.pieces).decode()
    return {
        series: (event_id, float(instant)) for series, event_id, instant in _EXEMPLAR.findall(text)
    }


@in_fake_time
async def test_no_exemplar_is_older_than_one_shown_before_a_restart(tmp_path: Path) -> None:
    """An event that the API lists late is counted, and keeps out of the exemplars."""
    clock = LoopClock()
    events: list[object] = []

    def happen(api: ScriptedApi, event_id: str, *, ago: float) -> None:
        """Let Ann have one more event, and her summary row say so."""
        at = rfc3339(clock.time() - ago)
        events.append(event(event_id, timestamp=at))
        ann = row("ann", event_count=len(events), last_event=at, max_risk_level="high")
        api.answers["summary"] = body(summary([ann]))
        api.answers["ann"] = body(answer(user(*events)))

    newest: dict[str, float] = {}
    shown: list[str] = []
    async with scripted_api() as api:
        for is_restart in (False, True):
            async with (
                open_sqlite(tmp_path / "state.db") as store,
                runtime_of(clock, store=store) as runtime,
                polling_in(runtime, settings_of(api.url, _SETTINGS)) as exporter,
            ):
                await clock.sleep(60.0)
                for event_id, ago in (("late", 300.0), ("new", 10.0), ("newer", 10.0)):
                    happen(api, f"{event_id}-{is_restart}", ago=ago)
                    await clock.sleep(240.0)
                    for series, (shown_id, instant) in exemplars(exporter).items():
                        assert instant >= newest.get(series, 0.0)
                        newest[series] = instant
                        shown.append(shown_id)
                assert exporter.total("events_total") == len(events)

    assert set(shown) == {"new-False", "newer-False", "new-True", "newer-True"}
