"""What a scrape is answered."""

import asyncio
import gzip
import math
import random
import zlib
from dataclasses import replace

import msgspec
import pytest

from exporter.catalogue import RISK_METRICS
from exporter.exposition import Exposition
from exporter.risk.model import AccountSnapshot, EventCount, Exemplar, RiskLevel
from tests.support.snapshots import full_account, snapshot_of, user_row

TELEMETRY = b"# TYPE own gauge\nown 1\n"

NAMED = frozenset(
    {
        "cloudflare_zt_risk_up",
        "cloudflare_zt_risk_events_total",
        "cloudflare_zt_risk_resets",
        "cloudflare_zt_risk_user_events_total",
    }
)

EXPECTED_OPENMETRICS = """\
# HELP cloudflare_zt_risk_up Whether the last poll of the account's risk summary succeeded and \
its data are exposed: 1 yes, 0 no. The exporter polls Cloudflare on its own timer, not at the \
scrape.
# TYPE cloudflare_zt_risk_up gauge
cloudflare_zt_risk_up{account="acme"} 1
cloudflare_zt_risk_up{account="say \\"hi\\""} 0
# HELP cloudflare_zt_risk_events Risk events seen, each counted once: entries of the users' events \
since the account's first poll, by behavior and level.
# TYPE cloudflare_zt_risk_events counter
cloudflare_zt_risk_events_total{account="acme",behavior="high_dlp",risk_level="low"} 7 \
# {event_id="e-9"} 1 1700000001.25
cloudflare_zt_risk_events_created{account="acme",behavior="high_dlp",risk_level="low"} 5
# HELP cloudflare_zt_risk_resets Resets of risk scores: how often a user's last_reset_time became \
later.
# TYPE cloudflare_zt_risk_resets counter
cloudflare_zt_risk_resets_total{account="acme"} 3
cloudflare_zt_risk_resets_created{account="acme"} 1700000000.5
cloudflare_zt_risk_resets_total{account="say \\"hi\\""} 0
cloudflare_zt_risk_resets_created{account="say \\"hi\\""} 0
# HELP cloudflare_zt_risk_user_events Risk events seen of a user, each counted once: entries of \
the user's events since the account's first poll, by behavior and level. A new counter is 0 until \
a whole scrape has carried it, or for two minutes, so that increase() finds its first events.
# TYPE cloudflare_zt_risk_user_events counter
cloudflare_zt_risk_user_events_total{account="acme",user_id="u1",behavior="high_dlp",\
risk_level="low"} 7 # {event_id="e-9"} 1 1700000001.25
cloudflare_zt_risk_user_events_created{account="acme",user_id="u1",behavior="high_dlp",\
risk_level="low"} 5
# TYPE own gauge
own 1
# EOF
"""

EXPECTED_TEXT = """\
# HELP cloudflare_zt_risk_up Whether the last poll of the account's risk summary succeeded and \
its data are exposed: 1 yes, 0 no. The exporter polls Cloudflare on its own timer, not at the \
scrape.
# TYPE cloudflare_zt_risk_up gauge
cloudflare_zt_risk_up{account="acme"} 1
cloudflare_zt_risk_up{account="say \\"hi\\""} 0
# HELP cloudflare_zt_risk_events_total Risk events seen, each counted once: entries of the users' \
events since the account's first poll, by behavior and level.
# TYPE cloudflare_zt_risk_events_total counter
cloudflare_zt_risk_events_total{account="acme",behavior="high_dlp",risk_level="low"} 7
# HELP cloudflare_zt_risk_resets_total Resets of risk scores: how often a user's last_reset_time \
became later.
# TYPE cloudflare_zt_risk_resets_total counter
cloudflare_zt_risk_resets_total{account="acme"} 3
cloudflare_zt_risk_resets_total{account="say \\"hi\\""} 0
# HELP cloudflare_zt_risk_user_events_total Risk events seen of a user, each counted once: \
entries of the user's events since the account's first poll, by behavior and level. A new counter \
is 0 until a whole scrape has carried it, or for two minutes, so that increase() finds its first \
events.
# TYPE cloudflare_zt_risk_user_events_total counter
cloudflare_zt_risk_user_events_total{account="acme",user_id="u1",behavior="high_dlp",\
risk_level="low"} 7
# TYPE own gauge
own 1
"""


def read(
    exposition: Exposition,
    *,
    openmetrics: bool = False,
    names: frozenset[str] | None = None,
    telemetry: bytes = b"",
) -> str:
    """A scrape without compression."""
    scrape = exposition.scrape(
        openmetrics=openmetrics, gzip=False, names=names, telemetry=telemetry
    )
    return b"".join(scrape.pieces).decode()


@pytest.mark.parametrize(
    ("openmetrics", "expected"),
    [(False, EXPECTED_TEXT), (True, EXPECTED_OPENMETRICS)],
    ids=["text", "openmetrics"],
)
async def test_the_exposition_reads_as_written_by_hand(*, openmetrics: bool, expected: str) -> None:
    """Every rule of the two formats at once, to be read by people: names, types, escapes."""
    exposition = Exposition()
    await exposition.publish(full_account(), changed=None)
    await exposition.publish(AccountSnapshot('say "hi"', "2"), changed=None)

    assert read(exposition, openmetrics=openmetrics, names=NAMED, telemetry=TELEMETRY) == expected


async def test_every_level_change_says_since_when_it_counts() -> None:
    """The first change of a kind is otherwise lost on whoever sees the counter at one first."""
    exposition = Exposition()
    changes = {(RiskLevel.NONE, RiskLevel.HIGH): 4}
    await exposition.publish(replace(full_account(), level_changes=changes), changed=None)
    name = frozenset({"cloudflare_zt_risk_level_changes_total"})

    lines = read(exposition, openmetrics=True, names=name).splitlines()

    assert [line for line in lines if 'from="none",to="high"' in line] == [
        'cloudflare_zt_risk_level_changes_total{account="acme",from="none",to="high"} 4',
        'cloudflare_zt_risk_level_changes_created{account="acme",from="none",to="high"} 1700000000.5',
    ]
    assert len(lines) == 2 + 12 * 2 + 1


@pytest.mark.parametrize(
    ("openmetrics", "content_type"),
    [
        (False, "text/plain; version=0.0.4; charset=utf-8"),
        (True, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_a_scrape_names_its_format(*, openmetrics: bool, content_type: str) -> None:
    """Prometheus chooses its parser by the content type alone."""
    scrape = Exposition().scrape(
        openmetrics=openmetrics, gzip=False, names=None, telemetry=TELEMETRY
    )

    assert scrape.content_type == content_type


def test_telemetry_is_exposed_before_any_account_is() -> None:
    """`/metrics` is never empty, or a broken start would look like a broken network."""
    expected = (TELEMETRY + b"# EOF\n").decode()

    assert read(Exposition(), openmetrics=True, telemetry=TELEMETRY) == expected


@pytest.mark.parametrize("name", ["cloudflare_zt_risk_resets", "cloudflare_zt_risk_resets_total"])
async def test_a_name_chooses_its_whole_family(name: str) -> None:
    """People ask by what they see, which is the sample's name in one format and not the other."""
    exposition = Exposition()
    await exposition.publish(AccountSnapshot("acme", "1"), changed=None)

    lines = read(exposition, openmetrics=True, names=frozenset({name})).splitlines()

    assert [line.split("{")[0] for line in lines if not line.startswith("#")] == [
        "cloudflare_zt_risk_resets_total",
        "cloudflare_zt_risk_resets_created",
    ]


async def test_a_name_nobody_has_leaves_an_empty_and_valid_exposition() -> None:
    """As prometheus-client answers it."""
    exposition = Exposition()
    await exposition.publish(full_account(), changed=None)

    assert read(exposition, openmetrics=True, names=frozenset({"x"})) == "# EOF\n"


async def test_an_exemplar_longer_than_openmetrics_allows_is_left_out() -> None:
    """Prometheus would refuse the whole scrape for one long event id."""
    exposition = Exposition()
    for account, length in (("fits", 120), ("does-not", 121)):
        exemplar = Exemplar("x" * length, 1.0)
        events = (EventCount("b", RiskLevel.LOW, 1, created=1.0, exemplar=exemplar),)
        snapshot = AccountSnapshot(account, "1", events=events)
        await exposition.publish(snapshot, changed=None)

    lines = read(exposition, openmetrics=True).splitlines()

    assert [line.split('"')[1] for line in lines if "event_id=" in line] == ["fits"]


async def test_an_exemplar_with_a_zero_character_is_left_out() -> None:
    """Prometheus reads one in any label but an exemplar's, where it refuses the whole scrape."""
    exposition = Exposition()
    events = (EventCount("b", RiskLevel.LOW, 1, created=1.0, exemplar=Exemplar("a\0b", 1.0)),)
    await exposition.publish(AccountSnapshot("acme", "1", events=events), changed=None)

    text = read(exposition, openmetrics=True)

    assert 'events_total{account="acme",behavior="b",risk_level="low"} 1\n' in text


async def test_numbers_that_are_none_are_spelt_as_the_formats_say() -> None:
    """OpenMetrics knows NaN, +Inf and -Inf, and a strict reader takes Python's words for broken."""
    exposition = Exposition()
    names = frozenset({"cloudflare_zt_risk_user_last_event_timestamp_seconds"})
    for account, value in (("a", math.nan), ("b", math.inf), ("c", -math.inf)):
        row = msgspec.structs.replace(user_row("u"), last_event=value)
        await exposition.publish(snapshot_of(row, account=account), changed=None)

    lines = read(exposition, openmetrics=True, names=names).splitlines()

    values = [line.split(" ")[1] for line in lines if not line.startswith("#")]
    assert values == ["NaN", "+Inf", "-Inf"]


async def test_families_are_contiguous_over_accounts() -> None:
    """A family that begins twice is an error in both formats."""
    exposition = Exposition()
    for account in ("acme", "globex"):
        await exposition.publish(snapshot_of(user_row("u"), account=account), changed=None)

    heads = [line for line in read(exposition).splitlines() if line.startswith("# TYPE")]

    assert len(heads) == len(set(heads))


async def test_withdrawn_gauges_leave_up_the_account_and_the_counters() -> None:
    """Old data must not be taken for today's, and a counter must not seem to be reset."""
    exposition = Exposition()
    full = full_account()
    await exposition.publish(full, changed=None)

    withdrawn = replace(full, up=False, gauges=None, users={})
    await exposition.publish(withdrawn, changed=full.users.keys())

    text = read(exposition)
    assert {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")} == {
        "cloudflare_zt_risk_up",
        "cloudflare_zt_risk_account_info",
        "cloudflare_zt_risk_events_total",
        "cloudflare_zt_risk_level_changes_total",
        "cloudflare_zt_risk_resets_total",
    }
    assert 'cloudflare_zt_risk_up{account="acme"} 0' in text


async def test_publishing_gives_the_loop_back_after_every_chunk() -> None:
    """A hundred thousand users take a second to render, and a scrape must not wait for it."""
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1
        await asyncio.sleep(0)

    exposition = Exposition(pause=pause, chunk_users=10)
    await exposition.publish(snapshot_of(*(user_row(f"u{n}") for n in range(100))), changed=None)

    assert pauses >= 10


async def test_accounts_published_at_once_are_all_shown() -> None:
    """Each account polls by its own clock, so their publications meet."""
    exposition = Exposition(chunk_users=2)
    async with asyncio.TaskGroup() as tasks:
        for account in ("acme", "globex"):
            rows = [user_row(f"u{n}") for n in range(20)]
            tasks.create_task(exposition.publish(snapshot_of(*rows, account=account), changed=None))

    text = read(exposition)
    assert text.count('user_level{account="acme"') == 20
    assert text.count('user_level{account="globex"') == 20


async def test_every_risk_metric_is_exposed() -> None:
    """A metric that is declared and not exposed is a promise broken."""
    exposition = Exposition()
    await exposition.publish(full_account(), changed=None)

    types = [line.split(" ") for line in read(exposition).splitlines() if " TYPE " in line]

    assert [words[2] for words in types] == [metric.name for metric in RISK_METRICS]


async def test_a_scrape_under_way_keeps_what_it_began_with() -> None:
    """A mix of two polls would be a state of the account that never was."""
    exposition = Exposition(chunk_users=2)
    await exposition.publish(snapshot_of(*(user_row(f"u{n}") for n in range(50))), changed=None)
    expected = read(exposition)
    scrape = exposition.scrape(openmetrics=False, gzip=False, names=None, telemetry=b"")

    await exposition.publish(snapshot_of(user_row("other")), changed=None)

    assert b"".join(scrape.pieces).decode() == expected


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_an_account_removed_during_a_scrape_is_whole_in_it(*, compressed: bool) -> None:
    """Its length was promised when it began, and its checksum is at its end."""
    exposition = Exposition()
    names = (random.Random(number).randbytes(1000).hex() for number in range(1000))
    rows = [msgspec.structs.replace(user_row(name[:8]), name=name) for name in names]
    await exposition.publish(snapshot_of(*rows), changed=None)
    expected = read(exposition)
    scrape = exposition.scrape(openmetrics=False, gzip=compressed, names=None, telemetry=b"")
    first = next(scrape.pieces)

    exposition.remove("acme")

    body = b"".join([first, *scrape.pieces])
    assert len(first) < len(body) == scrape.length
    assert (gzip.decompress(body) if compressed else body).decode() == expected
    assert read(exposition) == ""


async def test_a_removed_account_is_gone_and_the_others_stay() -> None:
    """An account taken out of the configuration must not go on looking healthy."""
    exposition = Exposition()
    for account in ("acme", "globex"):
        await exposition.publish(AccountSnapshot(account, "1"), changed=None)

    exposition.remove("acme")

    text = read(exposition)
    assert 'account="acme"' not in text
    assert 'account="globex"' in text


async def test_a_cancelled_publication_shows_nothing_and_spoils_nothing() -> None:
    """A poll may end at any await; whoever published tells the same changes again."""
    held = asyncio.Event()
    held.set()

    async def pause() -> None:
        await asyncio.sleep(0)
        await held.wait()

    exposition = Exposition(pause=pause)
    await exposition.publish(snapshot_of(user_row("u1", current_events=1)), changed=None)
    before = read(exposition)
    held.clear()
    changed = snapshot_of(user_row("u1", current_events=2))
    publication = asyncio.create_task(exposition.publish(changed, changed={"u1"}))
    await asyncio.sleep(0.01)
    publication.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publication
    assert read(exposition) == before
    held.set()

    await exposition.publish(changed, changed={"u1"})

    assert 'user_current_events{account="acme",user_id="u1"} 2' in read(exposition)


async def test_only_the_chunks_of_changed_users_are_rendered_again() -> None:
    """The cost of a poll must follow what changed: everything else stays the same object."""
    exposition = Exposition(chunk_users=10)
    rows = [user_row(f"u{n}") for n in range(100)]
    await exposition.publish(snapshot_of(*rows), changed=None)
    before = exposition._accounts["acme"].chunks

    rows[7] = user_row("u7", current_events=9)
    await exposition.publish(snapshot_of(*rows), changed={"u7"})

    after = exposition._accounts["acme"].chunks
    replaced = [new for old, new in zip(before, after, strict=True) if new is not old]
    assert ["u7" in chunk.users for chunk in replaced] == [True]


async def test_series_and_size_are_those_of_an_openmetrics_scrape() -> None:
    """They are what a Prometheus server stores and holds against its limits."""
    exposition = Exposition(chunk_users=2)
    await exposition.publish(snapshot_of(*(user_row(f"u{n}") for n in range(9))), changed=None)

    text = read(exposition, openmetrics=True)

    lines = text.splitlines()
    assert exposition.series == len([line for line in lines if not line.startswith("#")])
    assert exposition.size_bytes == len(text.encode())


async def test_a_large_scrape_comes_in_pieces_of_a_quarter_of_a_mebibyte() -> None:
    """One body would hold the loop and twice the memory; one write a chunk would crawl."""
    exposition = Exposition()
    rows = [user_row(f"u{n}") for n in range(2500)]
    await exposition.publish(snapshot_of(*rows), changed=None)

    scrape = exposition.scrape(openmetrics=True, gzip=False, names=None, telemetry=b"")

    sizes = [len(piece) for piece in scrape.pieces]
    assert len(sizes) > 2
    assert all(256 * 1024 <= size < 512 * 1024 for size in sizes[:-1])


async def test_gzip_is_one_member() -> None:
    """`curl --compressed` and httpx stop reading after the first."""
    exposition = Exposition(chunk_users=2)
    await exposition.publish(snapshot_of(*(user_row(f"u{n}") for n in range(9))), changed=None)
    body = b"".join(
        exposition.scrape(openmetrics=True, gzip=True, names=None, telemetry=b"").pieces
    )

    decompressor = zlib.decompressobj(wbits=31)
    text = decompressor.decompress(body)

    assert decompressor.eof
    assert decompressor.unused_data == b""
    assert text == gzip.decompress(body)
