import pytest

from exporter.web.scrapes import read_scrape_options

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_WITH_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_WANTING_TEXT = "text/plain;version=0.0.4;q=0.6,*/*;q=0.5"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        pytest.param(PROMETHEUS_2_42, True, id="Prometheus 2.42"),
        pytest.param(PROMETHEUS_3, True, id="Prometheus 3"),
        pytest.param(PROMETHEUS_WITH_PROTOBUF, True, id="Prometheus with native histograms"),
        pytest.param(PROMETHEUS_WANTING_TEXT, False, id="scrape_protocols: [PrometheusText0.0.4]"),
        pytest.param(FIREFOX, False, id="a browser"),
        pytest.param("", False, id="nothing said"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("application/*", False, id="no OpenMetrics by a wildcard"),
        pytest.param("application/openmetrics-text", True, id="any version"),
        pytest.param('application/openmetrics-text; version="1.0.0"', True, id="quoted"),
        pytest.param("Application/OpenMetrics-Text;Version=1.0.0", True, id="letters' case"),
        pytest.param("application/openmetrics-text;version=0.0.1", False, id="only the draft"),
        pytest.param("application/openmetrics-text;version=2.0.0", False, id="only the future"),
        pytest.param("application/openmetrics-text;q=0", False, id="refused"),
        pytest.param("application/openmetrics-text;q=0.2,text/plain;q=0.3", False, id="text more"),
        pytest.param("application/openmetrics-text;q=0.2,text/*;q=0.3", False, id="any text more"),
        pytest.param("application/openmetrics-text,text/plain", True, id="both alike"),
        pytest.param("application/openmetrics-text;q=0.2,*/*", True, id="named beats wildcard"),
        pytest.param("application/openmetrics-text;q=nan", False, id="not a weight"),
        pytest.param("application/openmetrics-text;q=2", False, id="too heavy"),
        pytest.param("image/png", False, id="neither: text all the same"),
        pytest.param(",;,q=1;;", False, id="rubbish"),
    ],
)
def test_openmetrics_needs_an_explicit_accept_header(accept: str, *, openmetrics: bool) -> None:
    """A scraper that gets a format it cannot read loses the whole scrape."""
    wish = read_scrape_options(accept=accept, accept_encoding="", names=())
    assert wish.openmetrics is openmetrics


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("deflate;q=0.5, gzip;q=1.0", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=0.3, identity;q=0.5", False),
        ("gzip;q=maybe", False),
        ("zstd, br", False),
    ],
)
def test_gzip_needs_an_accept_encoding_header(accept_encoding: str, *, gzip: bool) -> None:
    """q=0 means not acceptable (RFC 9110, 12.4.2)."""
    wish = read_scrape_options(accept="", accept_encoding=accept_encoding, names=())
    assert wish.gzip is gzip


@pytest.mark.parametrize(("length", "is_read"), [(2048, True), (2049, False)])
def test_an_overlong_header_is_ignored(length: int, *, is_read: bool) -> None:
    """A megabyte of commas in repeated headers would block the event loop for seconds."""
    wish = read_scrape_options(
        accept="application/openmetrics-text".ljust(length, ","),
        accept_encoding="gzip".ljust(length, ","),
        names=(),
    )
    assert (wish.openmetrics, wish.gzip) == (is_read, is_read)


def test_without_names_all_families_are_selected() -> None:
    """Most scrapes have no `name[]`."""
    assert read_scrape_options(accept="", accept_encoding="", names=()).names is None


def test_a_blank_name_is_ignored() -> None:
    """As in prometheus-client, a form with an empty field selects everything."""
    assert read_scrape_options(accept="", accept_encoding="", names=("",)).names is None
    assert read_scrape_options(accept="", accept_encoding="", names=("", "a")).names == frozenset(
        "a"
    )
