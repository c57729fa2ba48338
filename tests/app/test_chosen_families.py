"""What `?name[]=` leaves of a scrape, the same for the accounts' metrics and the exporter's own."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from exporter.app.status import Sources
from exporter.catalogue import EXPORTER_METRICS, RISK_METRICS
from tests.support.manual_clock import ManualClock
from tests.support.polling import runtime_of
from tests.support.snapshots import full_account

Families = Mapping[str, Sequence[str]]
"""By the name in their HELP line, the samples of each without their values."""

_SAMPLE = re.compile(r"^(?P<series>\w+(?:\{.*?\})?) [^ {}]+(?: # .*)?$", re.MULTILINE)

both_formats = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])


@pytest.fixture
async def sources() -> AsyncIterator[Sources]:
    """A scrape in which every metric of the catalogue has a sample."""

    async def reload() -> str | None:
        return None

    async with runtime_of(ManualClock()) as runtime:
        await runtime.exposition.publish(full_account(), changed=None)
        runtime.telemetry.register_account("acme")
        yield Sources(runtime, reload=reload)


def families(sources: Sources, *names: str, openmetrics: bool) -> Families:
    """The families of a scrape; of all without names."""
    scrape = sources.scrape(
        openmetrics=openmetrics, gzip=False, names=frozenset(names) if names else None
    )
    blocks = b"".join(scrape.pieces).decode().split("# HELP ")
    return {
        block.partition(" ")[0]: [match["series"] for match in _SAMPLE.finditer(block)]
        for block in blocks[1:]
    }


@both_formats
async def test_any_name_in_a_family_gives_that_family_whole(
    sources: Sources, *, openmetrics: bool
) -> None:
    """A sum without its count, or a counter without its beginning, is of no use to anybody."""
    everything = families(sources, openmetrics=openmetrics)

    for family, samples in everything.items():
        for name in {family, *(series.partition("{")[0] for series in samples)}:
            assert families(sources, name, openmetrics=openmetrics) == {family: samples}
    assert len(everything) >= len(RISK_METRICS) + len(EXPORTER_METRICS)


@both_formats
async def test_several_names_give_all_their_families_in_the_usual_order(
    sources: Sources, *, openmetrics: bool
) -> None:
    """As with prometheus-client; who asks twice for one family gets it once."""
    names = (
        "cloudflare_zt_risk_resets_total",
        "cloudflare_zt_risk_up",
        "cloudflare_zt_risk_exporter_detection_delay_seconds_sum",
        "cloudflare_zt_risk_exporter_detection_delay_seconds_count",
    )

    assert list(families(sources, *names, openmetrics=openmetrics)) == [
        "cloudflare_zt_risk_up",
        "cloudflare_zt_risk_resets" if openmetrics else "cloudflare_zt_risk_resets_total",
        "cloudflare_zt_risk_exporter_detection_delay_seconds",
    ]


@pytest.mark.parametrize(
    ("name", "openmetrics"),
    [
        ("cloudflare_zt_risk_resets_created", False),
        ("cloudflare_zt_risk_user_events_created", False),
        ("cloudflare_zt_risk_exporter_up", True),
        ("cloudflare_zt_risk", True),
    ],
)
async def test_a_name_that_no_sample_has_gives_nothing(
    sources: Sources, name: str, *, openmetrics: bool
) -> None:
    """`_created` is there in OpenMetrics alone."""
    assert families(sources, name, openmetrics=openmetrics) == {}


@pytest.mark.parametrize("name", ["cloudflare_zt_risk_resets", "cloudflare_zt_risk_exporter_polls"])
async def test_a_counter_s_openmetrics_name_is_understood_in_both_formats(
    sources: Sources, name: str
) -> None:
    """Whoever read the name in one format may ask for it in the other."""
    assert list(families(sources, name, openmetrics=False)) == [f"{name}_total"]
    assert list(families(sources, name, openmetrics=True)) == [name]
