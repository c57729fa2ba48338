"""The exporter as it is usually written: `python -m bench.naive PORT SUMMARY_URL TOKEN`.

Each scrape asks for the summary, decodes it with `json`, builds every family anew and has
prometheus-client write them out. The details of users are made up once, at the start: to ask
for them would be N calls more.
"""

import gzip
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypedDict
from urllib.request import Request, urlopen

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_PREFIX = "cloudflare_zt_risk_"
_ACCOUNT = "bench"
_BEHAVIORS = ("imp_travel", "high_dlp")
_LEVELS = {"low": 1, "medium": 2, "high": 3}


class _User(TypedDict):
    user_id: str
    email: str
    name: str
    event_count: int
    last_event: str
    max_risk_level: str


class _Event(TypedDict):
    id: str
    name: str
    risk_level: str
    timestamp: str


class _Result(TypedDict):
    users: list[_User]


class _Answer(TypedDict):
    result: _Result


class _Naive(Collector):
    def __init__(self, url: str, token: str) -> None:
        self._request = Request(
            url, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
        )
        self._details = {user["user_id"]: _details(user) for user in self._read()}

    def collect(self) -> Iterator[Metric]:
        users = self._read()
        yield _users(users)
        yield from _user_gauges(users)
        yield self._user_events()

    def _read(self) -> list[_User]:
        with urlopen(self._request) as answer:
            body: bytes = answer.read()
        content: _Answer = json.loads(gzip.decompress(body))
        return content["result"]["users"]

    def _user_events(self) -> Metric:
        family = CounterMetricFamily(
            _PREFIX + "user_events",
            "Risk events seen of a user.",
            labels=("account", "user_id", "behavior", "risk_level"),
        )
        for user_id, events in self._details.items():
            counts = Counter((event["name"], event["risk_level"]) for event in events)
            for (behavior, level), count in counts.items():
                family.add_metric((_ACCOUNT, user_id, behavior, level), count)
        return family


def _users(users: Iterable[_User]) -> Metric:
    family = GaugeMetricFamily(
        _PREFIX + "users", "Users by level.", labels=("account", "risk_level")
    )
    for level, count in Counter(user["max_risk_level"] for user in users).items():
        family.add_metric((_ACCOUNT, level), count)
    return family


def _user_gauges(users: Iterable[_User]) -> Iterator[Metric]:
    labels = ("account", "user_id")
    info = GaugeMetricFamily(_PREFIX + "user_info", "Who.", labels=(*labels, "email", "name"))
    level = GaugeMetricFamily(_PREFIX + "user_level", "Level.", labels=labels)
    events = GaugeMetricFamily(_PREFIX + "user_current_events", "Events now.", labels=labels)
    last = GaugeMetricFamily(
        _PREFIX + "user_last_event_timestamp_seconds", "Latest event.", labels=labels
    )
    for user in users:
        who = (_ACCOUNT, user["user_id"])
        info.add_metric((*who, user["email"], user["name"]), 1)
        level.add_metric(who, _LEVELS[user["max_risk_level"]])
        events.add_metric(who, user["event_count"])
        last.add_metric(who, datetime.fromisoformat(user["last_event"]).timestamp())
    yield from (info, level, events, last)


def _details(user: _User) -> list[_Event]:
    return [
        {
            "id": f"{user['user_id']}/{number}",
            "name": _BEHAVIORS[number % len(_BEHAVIORS)],
            "risk_level": user["max_risk_level"],
            "timestamp": user["last_event"],
        }
        for number in range(user["event_count"])
    ]


def main() -> None:
    """Serve until told to stop."""
    port, url, token = sys.argv[1:]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Naive(url, token))
    start_http_server(int(port), addr="127.0.0.1", registry=registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
