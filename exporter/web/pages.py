"""The status page: one Jinja template and one stylesheet, filled in from an ExporterStatus.

The page shows no identities, runs no scripts and loads nothing.
"""

import base64
import hashlib
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from exporter.risk.model import LISTED_LEVELS, RiskLevel
from exporter.status import AccountStatus, Condition, StatusPage

if TYPE_CHECKING:
    from jinja2 import Environment, Template

REFRESH_SECONDS = 15
"""The page reloads at this interval. WCAG 2.2 (2.2.2) requires that a reader can stop it."""

FAILURES_SHOWN = 5
"""The page shows at most this many of the latest errors of an account."""

_TEMPLATES = resources.files("exporter.web") / "templates"

STYLE = (_TEMPLATES / "status.css").read_text(encoding="utf-8")

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Allows a browser to apply the page's own style, identified by its hash, and nothing else."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_HOUR = 3600

_CONDITIONS = tuple(Condition)


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units, or in one unit below an hour.

    Fractions are cut off. A negative duration is 0 s.
    """
    whole = max(int(seconds), 0)
    for position, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            count, rest = divmod(whole, size)
            smaller, smaller_unit = _UNITS[min(position + 1, len(_UNITS) - 1)]
            has_two = size >= _HOUR and rest >= smaller
            return f"{count} {unit}" + (f" {rest // smaller} {smaller_unit}" if has_two else "")
    return "0 s"


def format_number(count: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{count:,}"


def format_count(count: int, noun: str) -> str:
    """Return a number and its noun, which takes an s in the plural."""
    return f"{format_number(count)} {noun}" + ("" if count == 1 else "s")


def format_utc(instant: float) -> str:
    """Return a Unix timestamp as a date and time in UTC."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_iso(instant: float) -> str:
    """Return a Unix timestamp in the machine-readable form of HTML's `time` element."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def load_status_template() -> "Template":
    """Return the page's template, which is compiled by the first call.

    The first call takes tens of milliseconds, so call it in a thread. Until then jinja2 is not
    imported, which saves 4 MB in a service whose page is never opened.
    """
    source = (_TEMPLATES / "status.html").read_text(encoding="utf-8")
    return _load_environment().from_string(source)


def _load_environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # see load_status_template
    from markupsafe import Markup  # noqa: PLC0415

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters.update(
        duration=format_duration,
        number=format_number,
        count=format_count,
        utc=format_utc,
        iso=format_iso,
    )
    environment.globals.update(
        style=Markup(STYLE),  # noqa: S704  # the stylesheet of this package
        refresh_seconds=REFRESH_SECONDS,
        failures_shown=FAILURES_SHOWN,
    )
    return environment


def render_status_page(status: StatusPage, *, now: float, refreshes: bool = True) -> str:
    """Render the page as of the Unix timestamp `now`.

    Accounts with problems come first, otherwise accounts keep their order. If `refreshes` is
    False, the page does not reload itself.
    """
    accounts = sorted(
        enumerate(status.accounts, start=1),
        key=lambda numbered: _CONDITIONS.index(numbered[1].condition(now)),
    )
    return load_status_template().render(
        status=status,
        accounts=accounts,
        tally=_tally(status, now),
        levels_of=_levels_of,
        now=now,
        refreshes=refreshes,
    )


def _tally(status: StatusPage, now: float) -> str:
    """Return the number of accounts, and how many are in each condition."""
    conditions = Counter(account.condition(now) for account in status.accounts)
    parts = [
        f"{format_number(conditions[one])} {one.value}" for one in _CONDITIONS if one in conditions
    ]
    accounts = format_count(len(status.accounts), "account")
    return f"{accounts}: {', '.join(parts)}" if parts else accounts


def _levels_of(account: AccountStatus) -> list[tuple[RiskLevel, int]]:
    """Return the levels to show, highest first, with their numbers of users.

    The level unknown is shown only if a user has it.
    """
    users = account.users or {}
    levels = [*reversed(LISTED_LEVELS)]
    if users.get(RiskLevel.UNKNOWN):
        levels.insert(0, RiskLevel.UNKNOWN)
    return [(level, users.get(level, 0)) for level in levels]
