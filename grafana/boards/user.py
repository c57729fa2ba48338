"""User: everything that is known of one user."""

from typing import Final

from grafana.board import USER_UID, Board, Section
from grafana.sections.one_user import ONE_USER
from grafana.sections.users import latest_users
from grafana.variables import account, user

USER: Final = Board(
    uid=USER_UID,
    title="Cloudflare risk / User",
    description="One user of a Cloudflare Zero Trust account: level, events, resets.",
    variables=(account(), user()),
    sections=(ONE_USER, Section("Others", (latest_users(),))),
)
