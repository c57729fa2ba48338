"""The accepted forms of settings' values."""

from pathlib import Path

import pytest

from exporter.settings.values import (
    ListenAddress,
    MemoryState,
    SqliteState,
    default_state_path,
    read_account_id,
    read_api_url,
    read_count,
    read_duration,
    read_hosts,
    read_listen_address,
    read_share,
    read_state,
    read_switch,
    read_token,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("15s", 15.0),
        ("5m", 300.0),
        ("24h", 86_400.0),
        ("1d", 86_400.0),
        ("1h30m", 5_400.0),
        ("250ms", 0.25),
        ("1m500ms", 60.5),
        ("1.5h", 5_400.0),
        ("90", 90.0),
        ("0.5", 0.5),
        (" 60s ", 60.0),
        (60, 60.0),
        (2.5, 2.5),
    ],
)
def test_a_duration_is_numbers_with_units_or_a_number_of_seconds(
    written: object, seconds: float
) -> None:
    """Prometheus's notation and numbers of YAML are accepted."""
    assert read_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "0",
            "0s",
            "-5s",
            "5 m",
            "m",
            "30m1h",
            "1s1s",
            "1e3",
            "nan",
            "inf",
            "\u0665s",
            "9999d",
        ),
        *(0, -1, True, None, [60], float("inf"), float("nan")),
    ],
)
def test_other_durations_are_rejected(written: object) -> None:
    """An interval of zero, minus five or infinitely many seconds is a mistake."""
    with pytest.raises(ValueError, match=r"duration|longer than 0s"):
        read_duration(written)


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("127.0.0.1:10876", "127.0.0.1", 10876),
        (":10876", "", 10876),
        ("[::1]:10876", "::1", 10876),
        ("[::]:80", "::", 80),
        ("localhost:0", "localhost", 0),
        ("risk-exporter.example.com:9", "risk-exporter.example.com", 9),
    ],
)
def test_a_listen_address_is_a_host_and_a_port(written: str, host: str, port: int) -> None:
    """An empty host means every interface, as in Prometheus."""
    address = read_listen_address(written)
    assert address == ListenAddress(host, port)
    assert str(address) == written


@pytest.mark.parametrize(
    "written",
    [
        *("", "10876", 10876, "localhost", "::1:10876", "[::g]:1", "a b:1", "*:1", "host:65536"),
        *("h:-1", "a..b:1", f"{'a' * 64}:1", f"{'a.' * 127}a:1"),
    ],
)
def test_other_listen_addresses_are_rejected(written: object) -> None:
    """An invalid address fails before the first poll."""
    with pytest.raises(ValueError, match=r"address|brackets"):
        read_listen_address(written)


@pytest.mark.parametrize("written", ["0.5", "1", 1, 0.01])
def test_a_share_is_above_zero_and_at_most_one(written: object) -> None:
    """The share is a fraction of the quota."""
    assert 0 < read_share(written) <= 1


@pytest.mark.parametrize("written", ["0", "1.01", "50%", "", -1, True, float("nan"), None])
def test_other_shares_are_rejected(written: object) -> None:
    """With a share of 0 the exporter would never poll."""
    with pytest.raises(ValueError, match="share"):
        read_share(written)


@pytest.mark.parametrize("written", ["-1", "1.5", "many", 1.0, True, None])
def test_other_counts_are_rejected(written: object) -> None:
    """A limit is a whole number."""
    with pytest.raises(ValueError, match="whole number"):
        read_count(written)


@pytest.mark.parametrize(
    "written", ["http://[::1]:8080", "https://exämple.com", "https://api.example.com."]
)
def test_a_url_may_have_any_host_that_can_be_looked_up(written: str) -> None:
    """International names and a final dot are valid."""
    assert read_api_url(written) == written


def test_the_trailing_slash_of_a_url_is_removed() -> None:
    """Paths that are appended begin with a slash."""
    assert read_api_url("http://127.0.0.1:8080/client/v4/") == "http://127.0.0.1:8080/client/v4"


@pytest.mark.parametrize(
    "written",
    [
        *("", "api.cloudflare.com", "ftp://x/", "https://", "http://[::1", "http://h:99999/", 5),
        *("http://a..b/", f"http://{'a' * 64}/", "http://a b/", f"http://{'a.' * 127}a/"),
    ],
)
def test_other_urls_are_rejected(written: object) -> None:
    """A URL without scheme or host would fail at every poll."""
    with pytest.raises(ValueError, match="not a URL"):
        read_api_url(written)


@pytest.mark.parametrize("written", ["https://me:pw@host/", "https://host/?a=b", "https://host/#a"])
def test_a_url_with_a_password_query_or_fragment_is_rejected(written: str) -> None:
    """A password in a URL would appear in logs, and paths are appended to the URL."""
    with pytest.raises(ValueError, match="must hold no user"):
        read_api_url(written)


def test_an_account_id_is_returned_in_lower_case() -> None:
    """Both spellings are the same account."""
    assert read_account_id("023E105F4ECEF8AD9CA31A8372D0C353").islower()


@pytest.mark.parametrize("written", ["", "acme", "0" * 31, "0" * 33, "g" * 32, None])
def test_other_account_ids_are_rejected(written: object) -> None:
    """The name of an account would lead to status 404 at every poll."""
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        read_account_id(written)


def test_an_account_id_that_yaml_reads_as_a_number_is_explained() -> None:
    """An id of digits loses its leading zeros in YAML unless it is quoted."""
    with pytest.raises(ValueError, match="quotes"):
        read_account_id(23105044)


@pytest.mark.parametrize("written", ["", "two words", "tab\tbed", "line\nbreak", "naïve", 12, None])
def test_other_tokens_are_rejected_without_showing_them(written: object) -> None:
    """A token is sent in a header, where a line break would start another header."""
    with pytest.raises(ValueError, match="not a token") as refusal:
        read_token(written)
    assert "break" not in str(refusal.value)


def test_white_space_around_a_token_is_removed() -> None:
    """Files and variables often end with a line break."""
    assert read_token(" abc\n") == "abc"


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("memory:", MemoryState()),
        ("memory", MemoryState()),
        ("sqlite:/var/lib/risk.db", SqliteState(Path("/var/lib/risk.db"))),
        ("sqlite:risk.db", SqliteState(Path("risk.db"))),
        ("sqlite:~/risk.db", SqliteState(Path("/home/op/risk.db"))),
        ("sqlite:", SqliteState(Path("/s/state.db"))),
        ("sqlite", SqliteState(Path("/s/state.db"))),
    ],
)
def test_state_is_a_file_or_memory(written: str, state: SqliteState | MemoryState) -> None:
    """A bare `memory:` at the end of a YAML line is not valid YAML, so the colon is optional."""
    assert read_state(written, {"STATE_DIRECTORY": "/s", "HOME": "/home/op"}) == state


@pytest.mark.parametrize("written", ["", "disk:", "memory:x", "/var/lib/risk.db", 5])
def test_other_states_are_rejected(written: object) -> None:
    """A guess could lose the counters."""
    with pytest.raises(ValueError, match="state"):
        read_state(written, {})


def test_valkey_is_rejected_as_not_supported_yet() -> None:
    """The message differs from that for a typing mistake, because Valkey is announced."""
    with pytest.raises(ValueError, match="not supported yet"):
        read_state("valkey://127.0.0.1:6379/0", {})


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"STATE_DIRECTORY": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a/state.db"),
        ({"STATE_DIRECTORY": "/a:/z", "HOME": "/c"}, "/a/state.db"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/cloudflare-risk-exporter/state.db"),
        (
            {"XDG_STATE_HOME": "relative", "HOME": "/c"},
            "/c/.local/state/cloudflare-risk-exporter/state.db",
        ),
    ],
)
def test_the_default_state_is_in_systemds_or_the_xdg_directory(
    environ: dict[str, str], path: str
) -> None:
    """Services and desktops have different directories for state."""
    assert default_state_path(environ) == Path(path)


def test_without_a_home_folder_the_state_needs_a_path() -> None:
    """A file in the working directory would be lost at a start elsewhere."""
    with pytest.raises(ValueError, match="sqlite:PATH"):
        default_state_path({})


@pytest.mark.parametrize(
    ("written", "switch"), [("true", True), (" False ", False), (True, True), (False, False)]
)
def test_a_boolean_is_true_or_false(written: object, switch: object) -> None:
    """Variables hold words, YAML has booleans."""
    assert read_switch(written) is switch


@pytest.mark.parametrize("written", ["", "maybe", 1, None])
def test_other_booleans_are_rejected(written: object) -> None:
    """A typing mistake must not enable or disable anything."""
    with pytest.raises(ValueError, match="true or false"):
        read_switch(written)


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("", ()),
        ("a.example", ("a.example",)),
        (" A.example, 10.0.0.1 ,[::1],", ("a.example", "10.0.0.1", "::1")),
        (["a.example", "B.example"], ("a.example", "b.example")),
    ],
)
def test_hosts_are_a_list_or_separated_by_commas(written: object, hosts: object) -> None:
    """A variable cannot hold a list, and host names are case-insensitive."""
    assert read_hosts(written) == hosts


@pytest.mark.parametrize("written", ["a.example:80", "http://a.example", "*", ["a", 5], 5, "a b"])
def test_other_hosts_are_rejected(written: object) -> None:
    """A port or a pattern would never match the name in a Host header."""
    with pytest.raises(ValueError, match="host name"):
        read_hosts(written)
