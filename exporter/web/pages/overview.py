"""Many accounts at a glance: a line for each."""

from collections.abc import Iterable, Iterator

from exporter.risk.model import RiskLevel
from exporter.status import AccountStatus
from exporter.web.pages.account import anchor, condition_badge
from exporter.web.pages.markup import Markup, element
from exporter.web.pages.words import ago, number

_UNKNOWN = "-"

# What is `wide` has no room on a phone; it stands in the account's own section as well.
_COLUMNS = (
    ("Account", ""),
    ("State", ""),
    ("High", "number"),
    ("Medium", "number wide"),
    ("Low", "number wide"),
    ("Backlog", "number wide"),
    ("Quota left", "number wide"),
    ("Last summary", "wide"),
)


def render_overview(accounts: Iterable[tuple[int, AccountStatus]], now: float) -> Markup:
    """The table of these accounts, each with its place in the configuration."""
    heads = (element("th", name, scope="col", class_=column) for name, column in _COLUMNS)
    rows = (_row(position, account, now) for position, account in accounts)
    return element(
        "table",
        element("caption", "Accounts and their users by level"),
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_="overview",
    )


def _row(position: int, account: AccountStatus, now: float) -> Markup:
    link = element("a", account.account, href=f"#{anchor(position)}")
    columns = (column for _, column in _COLUMNS[1:])
    cells = zip(_cells(account, now), columns, strict=True)
    return element(
        "tr",
        element("th", link, scope="row", class_="free"),
        *(element("td", told, class_=column) for told, column in cells),
    )


def _cells(account: AccountStatus, now: float) -> Iterator[Markup | str]:
    yield condition_badge(account.condition(now))
    for level in (RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW):
        yield _UNKNOWN if account.users is None else number(account.users.get(level, 0))
    yield number(account.backlog.users)
    yield _UNKNOWN if account.quota is None else number(account.quota.remaining)
    last = account.summary.last_success
    yield "never" if last is None else ago(last, now)
