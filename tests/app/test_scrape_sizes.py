"""What a scrape says of its own size."""

import re

import pytest

from exporter.app.status import Sources
from exporter.catalogue import RISK_METRICS
from exporter.risk.model import AccountSnapshot
from tests.support.manual_clock import ManualClock
from tests.support.polling import runtime_of
from tests.support.snapshots import full_account, snapshot_of, user_row

RISK_FAMILIES = {metric.family for metric in RISK_METRICS}


async def no_reload() -> str | None:
    """Nothing is read again here."""
    return None


def scraped(sources: Sources, *, openmetrics: bool = True, names: frozenset[str] | None) -> str:
    """A scrape without compression."""
    scrape = sources.scrape(openmetrics=openmetrics, gzip=False, names=names)
    return b"".join(scrape.pieces).decode()


def told(text: str) -> tuple[float, float]:
    """How many series and bytes a scrape says it has."""
    series, size = (
        re.search(rf"^cloudflare_zt_risk_exporter_exposition_{what} (\S+)$", text, re.MULTILINE)
        for what in ("series", "bytes")
    )
    assert series
    assert size
    return float(series[1]), float(size[1])


def counted(text: str) -> tuple[float, float]:
    """How many series of the accounts, and how many bytes in all, an OpenMetrics scrape has."""
    families = (f"# HELP {block}" for block in text.split("# HELP ")[1:])
    ours = [one for one in families if one.split(" ")[2] in RISK_FAMILIES]
    series = [line for one in ours for line in one.splitlines() if not line.startswith("#")]
    return len(series), len(text.encode())


async def test_a_scrape_says_how_many_series_of_accounts_and_how_many_bytes_it_holds() -> None:
    """They are to be held against a server's limits, so they must be those of this very scrape."""
    accounts = (
        full_account(),
        snapshot_of(*(user_row(f"ü{number}") for number in range(9)), account="globex"),
        AccountSnapshot("acme", "1"),
    )
    async with runtime_of(ManualClock()) as runtime:
        sources = Sources(runtime, reload=no_reload)
        for account in accounts:
            await runtime.exposition.publish(account, changed=None)

            text = scraped(sources, names=None)

            assert told(text) == counted(text)
            assert min(counted(text)) > 0


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
async def test_the_sizes_are_those_of_everything_whatever_a_scrape_asks_for(
    *, openmetrics: bool
) -> None:
    """A person who looks at one family must not be told that it is all."""
    names = frozenset(
        {
            "cloudflare_zt_risk_exporter_exposition_series",
            "cloudflare_zt_risk_exporter_exposition_bytes",
        }
    )
    async with runtime_of(ManualClock()) as runtime:
        sources = Sources(runtime, reload=no_reload)
        await runtime.exposition.publish(full_account(), changed=None)

        chosen = scraped(sources, openmetrics=openmetrics, names=names)

        # The process's own numbers may have other lengths in the next scrape.
        (chosen_series, chosen_size), (series, size) = (
            told(chosen),
            counted(scraped(sources, names=None)),
        )
        assert chosen_series == series
        assert chosen_size == pytest.approx(size, abs=50)
