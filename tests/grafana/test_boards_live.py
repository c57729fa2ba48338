"""Every query of every board, asked of a real Prometheus in front of a demo that runs fast."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.dashboards import load_dashboards
from tests.support.grafana import Grafana
from tests.support.prometheus import run_prometheus, scrape_config
from tests.support.road import run_demo
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow

BOARDS = {board.uid.removeprefix("cloudflare-risk-"): board for board in load_dashboards().values()}
WHO_IS_HIGH = "Who is at high risk"
ONLY_WITH_TLS = {"Certificate expires in A"}
"""The demo serves without TLS, so it exposes no certificate."""

WORLD: Mapping[str, Json] = {
    "speed": 60,
    "quota": {"requests": 1_000_000},
    "accounts": [
        {
            "name": name,
            "users": 40,
            "named_users": [
                {
                    "email": f"odd-{number}@staff.example",
                    "name": f"Odd {number}",
                    "events": [{"behavior": "imp_travel", "level": "severe"}],
                }
                for number in range(20)
            ],
            "activity": {"resets_per_hour": 15},
        }
        for name in ("acme", "globex (eu)")
    ],
}
"""Two accounts, one with a name that means something else in a regular expression, and in each
users at a level nobody knows, so that even the queries for that have something to show."""

LIVELY = (
    'min(cloudflare_zt_risk_users{risk_level="unknown"}) > 0',
    'min(cloudflare_zt_risk_users{risk_level="high"}) > 0',
    "min(sum by (account) (increase(cloudflare_zt_risk_events_total[1m]))) > 0",
    "min(increase(cloudflare_zt_risk_resets_total[1m])) > 0",
)
"""What must have happened before the boards are looked at."""


@asynccontextmanager
async def run_grafana(
    folder: Path, *flags: str, after: Sequence[str] = LIVELY
) -> AsyncIterator[Grafana]:
    """Run the world in a demo with these flags, scraped; entered once all of `after` is true."""
    world = write_yaml(folder / "world.yml", WORLD)
    polls = ("--poll-interval", "1s", "--config-interval", "1s")
    async with (
        run_demo("--scenario", str(world), *polls, *flags) as demo,
        run_prometheus(folder, scrape_config(demo.url)) as prometheus,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        for expression in after:
            await prometheus.until(expression)
        yield Grafana(prometheus, client)


@pytest.mark.parametrize("identity", ["full", "none"])
async def test_every_query_and_every_variable_has_data(tmp_path: Path, identity: str) -> None:
    """An empty panel reads as good news, whether identities are exposed or not."""
    async with run_grafana(tmp_path, "--identity", identity) as grafana:
        empty = {
            name: await grafana.empty_queries(board, await grafana.open(board))
            for name, board in BOARDS.items()
        }
        assert empty == {name: set() for name in BOARDS} | {"exporter": ONLY_WITH_TLS}


async def test_whoever_is_chosen_has_data(tmp_path: Path) -> None:
    """Users come and go: also of somebody who is no longer listed the board says what it knows."""
    board = BOARDS["user"]
    async with run_grafana(tmp_path) as grafana:
        opened = await grafana.open(board)
        user = next(one for one in board.variables if one.name == "user")
        users = await grafana.choices(user, opened)
        listed = await grafana.prometheus.query("cloudflare_zt_risk_user_level")
        assert len(users) > len(listed) > 0
        empty: set[str] = set()
        for chosen in users:
            view = replace(opened, values={**opened.values, "user": chosen})
            empty |= await grafana.empty_queries(board, view)
        assert empty == set()


async def test_without_series_for_each_user_only_their_table_is_empty(tmp_path: Path) -> None:
    """The numbers of an account need nobody's name."""
    async with run_grafana(tmp_path, "--users-min-level", "none") as grafana:
        for name in ("overview", "exporter"):
            board = BOARDS[name]
            empty = await grafana.empty_queries(board, await grafana.open(board))
            assert empty <= {f"{WHO_IS_HIGH} A"} | ONLY_WITH_TLS


@pytest.mark.parametrize(("identity", "labels"), [("full", {"email", "name"}), ("none", set())])
async def test_the_table_of_high_risk_has_a_row_for_each_of_them(
    tmp_path: Path, identity: str, labels: set[str]
) -> None:
    """A user lost in a join is a user nobody looks at."""
    async with run_grafana(tmp_path, "--identity", identity) as grafana:
        moment = time.time() - 2  # all that Prometheus will ever know of it has been scraped
        rows = await grafana.rows(BOARDS["overview"], WHO_IS_HIGH, at=moment)
        at_risk = await grafana.prometheus.query("cloudflare_zt_risk_user_level >= 3", at=moment)
        who = {(row.labels["account"], row.labels["user_id"]) for row in rows}
        assert who == {(one.labels["account"], one.labels["user_id"]) for one in at_risk}
        assert all(labels <= row.labels.keys() for row in rows)
        assert {row.labels["level"] for row in rows} == {"3", "4"}
