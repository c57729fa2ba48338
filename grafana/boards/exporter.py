"""Exporter: whether it does its work, and what that costs."""

from typing import Final

from grafana.board import Board
from grafana.sections.api import API
from grafana.sections.details import DETAILS
from grafana.sections.freshness import FRESHNESS
from grafana.sections.serving import PROCESS, SCRAPES, STATE
from grafana.variables import account, instance, job

EXPORTER: Final = Board(
    uid="cloudflare-risk-exporter",
    title="Cloudflare risk / Exporter",
    description="The exporter itself: freshness, quota, backlog, the cost of a scrape, state.",
    variables=(account(), job(), instance()),
    sections=(FRESHNESS, API, DETAILS, SCRAPES, STATE, PROCESS),
)
