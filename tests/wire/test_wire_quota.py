import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloudflare.wire import (
    QuotaHeaders,
    QuotaLeft,
    QuotaPolicy,
    RetryAfter,
    read_quota,
    read_retry_after,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_both_headers_are_read_into_values() -> None:
    """This is the form Cloudflare documents."""
    headers = {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=1200;w=300'}

    assert read_quota(headers) == QuotaHeaders(
        policies=(QuotaPolicy("default", limit=1200, window_seconds=300.0),),
        left=(QuotaLeft("default", remaining=50, reset_seconds=30.0),),
    )


def test_several_items_are_read_each() -> None:
    """A policy per token and one per address can stand side by side."""
    quota = read_quota({"ratelimit": '"default";r=50;t=30, "burst";t=1;r=0 ,ip;r=199;t=1'})

    assert quota is not None
    assert [(left.name, left.remaining) for left in quota.left] == [
        ("default", 50),
        ("burst", 0),
        ("ip", 199),
    ]


def test_a_quoted_name_may_hold_commas_semicolons_and_escapes() -> None:
    r"""RFC 9651 quotes names; only `\"` and `\\` are escaped inside."""
    quota = read_quota({"ratelimit": r'"a,b;\"c\\";r=1;t=2'})

    assert quota is not None
    assert quota.left == (QuotaLeft('a,b;"c\\', remaining=1, reset_seconds=2.0),)


def test_unknown_parameters_are_passed_over() -> None:
    """The draft lets servers add parameters, such as a partition key."""
    quota = read_quota({"ratelimit-policy": '"d";q=10;w=1;pk=:cHsdsRa894==:;x="a;b";qu'})

    assert quota is not None
    assert quota.policies == (QuotaPolicy("d", limit=10, window_seconds=1.0),)


@pytest.mark.parametrize(
    "item",
    [
        "",
        ";r=1;t=2",
        '"d"',
        '"d";r=1',
        '"d";t=1',
        '"d";r=-1;t=2',
        '"d";r=1.5;t=2',
        '"d";r=x;t=2',
        '"d";r="1";t=2',
        '"d;r=1;t=2',
        "d e;r=1;t=2",
        '"d";r=1;t=9999999999999999',
        "?1;r=1;t=2",
    ],
)
def test_a_malformed_item_is_passed_over_and_costs_no_other(item: str) -> None:
    """An answer is not worse for a quota we cannot read."""
    quota = read_quota({"ratelimit": f'"good";r=7;t=8,{item}'})

    assert quota is not None
    assert QuotaLeft("good", remaining=7, reset_seconds=8.0) in quota.left
    assert len(quota.left) == 1


def test_a_policy_without_a_window_is_passed_over() -> None:
    """A window of no seconds would mean any number of requests."""
    assert read_quota({"ratelimit-policy": '"d";q=10;w=0, "e";q=10, "f";w=5'}) is None


def test_an_answer_without_the_headers_says_nothing_of_the_quota() -> None:
    """Older edges send neither."""
    assert read_quota({"content-type": "application/json"}) is None


@given(st.text())
def test_no_header_whatever_is_an_error(text: str) -> None:
    """Headers come from outside too."""
    read_quota({"ratelimit": text, "ratelimit-policy": text})
    read_retry_after({"retry-after": text}, now=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("300", 300.0),
        (" 12 ", 12.0),
        ("1.5", 1.5),
        ("Thu, 01 Jan 2026 00:01:40 GMT", 100.0),
        ("Thu, 01 Jan 2026 00:01:40 -0000", 100.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("Thursday, 01-Jan-26 00:01:40 GMT", 100.0),
        ("Thu Jan  1 00:01:40 2026", 100.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("999999999", 3600.0),
        ("99999999999", 3600.0),
        ("Tue, 01 Jan 2058 00:00:00 GMT", 3600.0),
        ("Thu, 99 Jan 2026 00:01:40 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    """HTTP allows both, and a date in three spellings (RFC 9110, 5.6.7)."""
    retry_after = read_retry_after({"retry-after": text}, now=NOW)
    assert (None if retry_after is None else retry_after.seconds) == seconds


def test_no_retry_after_is_none() -> None:
    """Only 429 carries it."""
    assert read_retry_after({}, now=NOW) is None


def test_a_date_without_a_zone_is_utc_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP dates are UTC; the machine's zone must not change the delay."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        retry_after = read_retry_after({"retry-after": "Thu, 01 Jan 2026 00:01:40 -0000"}, now=NOW)
    time.tzset()

    assert retry_after == RetryAfter(100.0)
