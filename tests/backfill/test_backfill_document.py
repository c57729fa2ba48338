"""The samples of a counter, and the OpenMetrics document, checked with prometheus-client."""

from collections.abc import Callable, Iterable
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.backfill import AccountHistory, CounterHistory, Timeline, openmetrics
from exporter.backfill.document import Point, dense_points, sparse_points

LINE = Timeline(1_700_000_000, 1_700_000_601, 60)
ACME = AccountHistory(
    account="acme",
    events=(
        CounterHistory(("imp_travel", "high"), {8: 1}),
        CounterHistory(('a "b" \\ \n é', "low"), {5: 2, 9: 1}),
    ),
    user_events=(CounterHistory(("ann", "imp_travel", "high"), {8: 1}),),
)
GLOBEX = AccountHistory("globex", (CounterHistory(("imp_travel", "high"), {1: 1}),), ())
QUIET = AccountHistory("quiet", (), ())

parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
Labels = tuple[tuple[str, str], ...]


def document(*histories: AccountHistory, **labels: str) -> str:
    """Return the whole document."""
    return b"".join(openmetrics(histories, LINE, labels=labels)).decode()


def series(text: str) -> dict[tuple[str, Labels], list[tuple[int, float]]]:
    """Return what a strict parser finds: seconds since the start, and values."""
    found: dict[tuple[str, Labels], list[tuple[int, float]]] = {}
    for family in parse(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            at = int(float(str(sample.timestamp))) - LINE.start
            found.setdefault(key, []).append((at, sample.value))
    return found


def test_a_strict_parser_finds_every_counter_with_its_labels() -> None:
    """OpenMetrics requires families and series in one block and ascending timestamps."""
    found = series(document(ACME, GLOBEX, QUIET))
    assert {(name, *labels) for name, labels in found} == {
        (
            "cloudflare_zt_risk_events_total",
            ("account", account),
            ("behavior", behavior),
            ("risk_level", level),
        )
        for account, behavior, level in (
            ("acme", "imp_travel", "high"),
            ("acme", 'a "b" \\ \n é', "low"),
            ("globex", "imp_travel", "high"),
        )
    } | {
        (
            "cloudflare_zt_risk_user_events_total",
            ("account", "acme"),
            ("behavior", "imp_travel"),
            ("risk_level", "high"),
            ("user_id", "ann"),
        )
    }


def test_all_totals_of_an_account_begin_just_before_its_first_event() -> None:
    """Nothing is known before; afterwards a counter that has not grown is at zero."""
    begins = {
        dict(labels)["account"] + dict(labels)["risk_level"]: points[0]
        for (name, labels), points in series(document(ACME, GLOBEX)).items()
        if name == "cloudflare_zt_risk_events_total"
    }
    assert begins == {"acmehigh": (240, 0.0), "acmelow": (240, 0.0), "globexhigh": (0, 0.0)}


def test_every_series_has_the_given_labels() -> None:
    """Without the target's labels the series would differ from those of the exporter."""
    found = series(document(ACME, job="risk", instance='"x"'))
    assert all({("job", "risk"), ("instance", '"x"')} <= set(labels) for _, labels in found)


def test_each_series_is_one_block_with_ascending_timestamps() -> None:
    """Prometheus drops samples out of order, and promtool does not report it."""
    lines = [line for line in document(ACME, GLOBEX).splitlines() if not line.startswith("#")]
    pieces = [
        (name, [int(line.rpartition(" ")[2]) for line in group])
        for name, group in groupby(lines, key=lambda line: line.rsplit(" ", 2)[0])
    ]
    assert len({name for name, _ in pieces}) == len(pieces)
    assert all(instants == sorted(set(instants)) for _, instants in pieces)


def test_the_help_is_that_of_the_metrics() -> None:
    """Each metric is declared once."""
    assert document(ACME).startswith("# HELP cloudflare_zt_risk_events Risk events seen")


def test_a_document_without_events_is_valid() -> None:
    """Promtool accepts it and creates no block."""
    text = document(QUIET)
    assert series(text) == {}
    assert text.endswith("# EOF\n")


MINUTES = Timeline(0, 1201, 60)  # positions 0 to 20, at 0, 60, ... 1200
RISES = st.dictionaries(st.integers(1, 20), st.integers(1, 5), min_size=1)


def values(points: Iterable[Point]) -> dict[int, int]:
    """Return the values by minute, without the final zero."""
    return {point.at // 60: point.value for point in points if point.at != MINUTES.end}


def growth(points: Iterable[Point]) -> int:
    """Return the growth that Prometheus computes, for which a fall is a reset."""
    samples = [point.value for point in points]
    return sum(after if after < before else after - before for before, after in pairwise(samples))


def test_a_dense_counter_has_a_sample_at_every_position() -> None:
    """A graph of it has no gap."""
    points = dense_points({3: 2, 5: 1}, MINUTES, begin=2)
    assert values(points) == {2: 0, 3: 2, 4: 2, **dict.fromkeys(range(5, 21), 3)}


def test_a_sparse_counter_has_samples_before_and_after_each_increment() -> None:
    """The sample before makes an increment visible; those after keep `increase` accurate."""
    points = sparse_points({3: 2, 15: 1}, MINUTES)
    assert values(points) == {
        2: 0,
        **dict.fromkeys(range(3, 9), 2),
        14: 2,
        **dict.fromkeys(range(15, 21), 3),
    }


def test_an_increment_at_the_last_position_has_samples() -> None:
    """The latest events matter most."""
    assert values(sparse_points({20: 1}, MINUTES)) == {19: 0, 20: 1}


@given(RISES)
def test_every_counter_ends_at_zero(rises: dict[int, int]) -> None:
    """The live exporter starts at zero; one that starts higher would hide events."""
    for points in (dense_points(rises, MINUTES, begin=0), sparse_points(rises, MINUTES)):
        assert list(points)[-1] == Point(MINUTES.end, 0)


@given(RISES)
def test_a_counter_grows_by_its_events_only(rises: dict[int, int]) -> None:
    """The final fall is a reset to Prometheus, and neither adds nor removes anything."""
    expected = sum(rises.values())
    assert growth(dense_points(rises, MINUTES, begin=0)) == expected
    assert growth(sparse_points(rises, MINUTES)) == expected


@given(RISES)
def test_timestamps_ascend(rises: dict[int, int]) -> None:
    """Prometheus drops samples out of order, and promtool does not report it."""
    for points in (dense_points(rises, MINUTES, begin=0), sparse_points(rises, MINUTES)):
        instants = [point.at for point in points]
        assert instants == sorted(set(instants))
