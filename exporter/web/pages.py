"""The page for people, as HTML. Shows no identities, runs no scripts, loads nothing."""

import base64
import hashlib
from datetime import UTC, datetime
from html import escape

from exporter.web.sources import AccountStatus, StatusPage

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
table { border-collapse: collapse; width: 100%; }
caption { font-weight: bold; text-align: left; }
th, td { border-bottom: 1px solid #8888; padding: .4rem .8rem .4rem 0; text-align: left; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Forbids a browser everything but the page's own style, known by its hash."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cloudflare risk exporter</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Cloudflare risk exporter</h1>
<p>Version {version}</p>
<nav aria-label="Endpoints">
<ul>
<li><a href="metrics">Metrics</a></li>
<li><a href="-/healthy">Health</a></li>
<li><a href="-/ready">Readiness</a></li>
</ul>
</nav>
<table>
<caption>Accounts</caption>
<thead><tr><th scope="col">Account</th><th scope="col">Last poll</th>\
<th scope="col">Last good poll</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""


def render_status_page(status: StatusPage, *, now: float) -> str:
    """Render the page; `now` is the Unix second that ages are counted to."""
    rows = "\n".join(_row(account, now) for account in status.accounts)
    return _PAGE.format(style=_STYLE, version=escape(status.version), rows=rows)


def _row(account: AccountStatus, now: float) -> str:
    return (
        f'<tr><th scope="row">{escape(account.account)}</th>'
        f"<td>{_outcome(account)}</td><td>{_moment(account.last_success, now)}</td></tr>"
    )


def _outcome(account: AccountStatus) -> str:
    if account.up:
        return "succeeded"
    return "none yet" if account.last_success is None else "failed"


def _moment(instant: float | None, now: float) -> str:
    if instant is None:
        return "never"
    written = datetime.fromtimestamp(int(instant), UTC).isoformat().replace("+00:00", "Z")
    return f'<time datetime="{written}">{max(int(now - instant), 0)} s ago</time>'
