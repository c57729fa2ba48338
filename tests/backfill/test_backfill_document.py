"""The laws of the document, with prometheus-client's own parser for a judge."""

from collections.abc import Callable, Iterable
from itertools import groupby

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.backfill import AccountHistory, CounterHistory, Timeline, openmetrics

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
    """Return what a strict reader of OpenMetrics finds: seconds since the start, and values."""
    found: dict[tuple[str, Labels], list[tuple[int, float]]] = {}
    for family in parse(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            at = int(float(str(sample.timestamp))) - LINE.start
            found.setdefault(key, []).append((at, sample.value))
    return found


def test_a_strict_reader_finds_every_counter_with_its_labels() -> None:
    """OpenMetrics wants families in one piece, series in one piece and time going on."""
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
    """Before that nothing is known, and after it a counter that did not grow yet is at zero."""
    begins = {
        dict(labels)["account"] + dict(labels)["risk_level"]: points[0]
        for (name, labels), points in series(document(ACME, GLOBEX)).items()
        if name == "cloudflare_zt_risk_events_total"
    }
    assert begins == {"acmehigh": (240, 0.0), "acmelow": (240, 0.0), "globexhigh": (0, 0.0)}


def test_the_labels_asked_for_stand_on_every_series() -> None:
    """Nothing else adds any, and without the target's own the live series would be others."""
    found = series(document(ACME, job="risk", instance='"x"'))
    assert all({("job", "risk"), ("instance", '"x"')} <= set(labels) for _, labels in found)


def test_each_series_is_in_one_piece_and_in_the_order_of_time() -> None:
    """Storage drops what comes out of order, and promtool does not say so."""
    lines = [line for line in document(ACME, GLOBEX).splitlines() if not line.startswith("#")]
    pieces = [
        (name, [int(line.rpartition(" ")[2]) for line in group])
        for name, group in groupby(lines, key=lambda line: line.rsplit(" ", 2)[0])
    ]
    assert len({name for name, _ in pieces}) == len(pieces)
    assert all(instants == sorted(set(instants)) for _, instants in pieces)


def test_the_help_is_that_of_the_metrics() -> None:
    """One declaration, wherever a metric is written."""
    assert document(ACME).startswith("# HELP cloudflare_zt_risk_events Risk events seen")


def test_a_past_without_events_is_a_whole_document() -> None:
    """To promtool that is no error: it makes no block of it."""
    text = document(QUIET)
    assert series(text) == {}
    assert text.endswith("# EOF\n")
