"""Risk overview: how many are at risk, who, why, and what was reconfigured."""

from typing import Final

from grafana.board import Board
from grafana.sections.administration import ADMINISTRATION
from grafana.sections.events import EVENTS
from grafana.sections.now import NOW
from grafana.sections.users import USERS_AT_RISK
from grafana.variables import account

OVERVIEW: Final = Board(
    uid="cloudflare-risk-overview",
    title="Cloudflare risk / Overview",
    description="Risk of the users of Cloudflare Zero Trust accounts, and changes of the configuration.",
    variables=(account(),),
    sections=(NOW, USERS_AT_RISK, EVENTS, ADMINISTRATION),
)
