"""All boards, in the order they are listed to people."""

from typing import Final

from grafana.boards.exporter import EXPORTER
from grafana.boards.overview import OVERVIEW
from grafana.boards.user import USER

BOARDS: Final = (OVERVIEW, USER, EXPORTER)
