"""Whatever a snapshot holds, prometheus-client would have shown the same."""

import asyncio
import gzip
from collections.abc import Sequence

import pytest
from hypothesis import given

from exporter.exposition import Exposition
from exporter.risk.model import AccountSnapshot
from tests.support.oracle import naive_exposition, parsed
from tests.support.snapshots import account_lists, snapshot_of, user_row


def exposed(accounts: Sequence[AccountSnapshot], *, openmetrics: bool, compressed: bool) -> bytes:
    """A whole scrape of these accounts, published once."""

    async def publish() -> Exposition:
        exposition = Exposition(chunk_users=2)
        for snapshot in accounts:
            await exposition.publish(snapshot, changed=None)
        return exposition

    scrape = asyncio.run(publish()).scrape(
        openmetrics=openmetrics, gzip=compressed, names=None, telemetry=b""
    )
    return b"".join(scrape.pieces)


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
@given(accounts=account_lists)
def test_any_snapshot_parses_as_if_prometheus_client_had_shown_it(
    accounts: list[AccountSnapshot], *, openmetrics: bool
) -> None:
    """A scraper must not be able to tell, whatever people call themselves and their events."""
    ours = exposed(accounts, openmetrics=openmetrics, compressed=False)

    theirs = naive_exposition(accounts, openmetrics=openmetrics)
    assert parsed(ours, openmetrics=openmetrics) == parsed(theirs, openmetrics=openmetrics)


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
@given(accounts=account_lists)
def test_gzip_says_the_same_as_plain(accounts: list[AccountSnapshot], *, openmetrics: bool) -> None:
    """Both are made of the same parts, and Prometheus reads one while people read the other."""
    compressed = exposed(accounts, openmetrics=openmetrics, compressed=True)

    assert gzip.decompress(compressed) == exposed(
        accounts, openmetrics=openmetrics, compressed=False
    )


def test_a_character_utf_8_cannot_carry_costs_nothing_but_itself() -> None:
    """One lone surrogate in a name must not make Prometheus refuse the scrape of everybody."""
    text = exposed([snapshot_of(user_row("b\ud800b"))], openmetrics=False, compressed=False)

    assert 'email="b?b@example.com"' in text.decode()
