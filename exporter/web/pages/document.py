"""The page as a whole: what stands around the accounts."""

from collections import Counter

from exporter.status import Condition, StatusPage
from exporter.web.pages.account import render_account
from exporter.web.pages.markup import Markup, element, join
from exporter.web.pages.overview import render_overview
from exporter.web.pages.style import STYLE
from exporter.web.pages.words import counted, moment, number

REFRESH_SECONDS = 15
"""How often the page loads itself again; it can be stopped, as WCAG 2.2 wants it (2.2.2)."""

_NAME = "Cloudflare risk exporter"

_LINKS = (
    ("Metrics", "metrics"),
    ("Health", "-/healthy"),
    ("Readiness", "-/ready"),
    (
        "About risk scores",
        "https://developers.cloudflare.com/cloudflare-one/insights/risk-score/",
    ),
    (
        "API reference",
        "https://developers.cloudflare.com/api/resources/zero_trust/subresources/risk_scoring/",
    ),
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>{title}</title>
<style>{style}</style>
</head>
<body>
{header}
{main}
{footer}
</body>
</html>
"""

_ORDER = tuple(Condition)


def render_status_page(status: StatusPage, *, now: float, refreshes: bool = True) -> str:
    """Render the page; `now` is the Unix second that ages are counted to.

    Accounts in trouble come first, otherwise they keep their order. `refreshes` False leaves
    out that the page loads itself again.
    """
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n' if refreshes else ""
    return _PAGE.format(
        refresh=refresh,
        title=join(f"{_tally(status, now)} · {_NAME}").html,
        style=STYLE,
        header=_header(status, now, refreshes=refreshes).html,
        main=_main(status, now).html,
        footer=_footer(status).html,
    )


def _header(status: StatusPage, now: float, *, refreshes: bool) -> Markup:
    links = (element("li", element("a", name, href=href)) for name, href in _LINKS)
    return element(
        "header",
        element("h1", _NAME),
        element("p", f"{_tally(status, now)}."),
        element("p", "As of ", moment(now), "; ", _habit(refreshes=refreshes), class_="quiet"),
        element("nav", element("ul", *links), aria_label="Endpoints and documentation"),
    )


def _habit(*, refreshes: bool) -> Markup:
    if not refreshes:
        return element("a", "load it again by itself", href=".")
    stop = element("a", "stop", href="?refresh=off")
    return join(f"loads itself again every {REFRESH_SECONDS} s (", stop, ")")


def _tally(status: StatusPage, now: float) -> str:
    """How many accounts there are, and how many in each condition."""
    conditions = Counter(account.condition(now) for account in status.accounts)
    told = ", ".join(f"{number(conditions[one])} {one.value}" for one in _ORDER if conditions[one])
    accounts = counted(len(status.accounts), "account")
    return f"{accounts}: {told}" if told else accounts


def _main(status: StatusPage, now: float) -> Markup:
    accounts = sorted(
        enumerate(status.accounts), key=lambda one: _ORDER.index(one[1].condition(now))
    )
    sections = (render_account(account, position, now) for position, account in accounts)
    overview = [render_overview(accounts, now)] if len(accounts) > 1 else []
    return element("main", *overview, *sections)


def _footer(status: StatusPage) -> Markup:
    versions = (("Version", status.version), ("Python", status.python_version))
    told = " · ".join(f"{name} {version}" for name, version in versions if version)
    return element("footer", told)
