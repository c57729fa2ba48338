"""Short answers, and the headers every answer carries."""

from collections.abc import Mapping

from aiohttp import web

from exporter.web.pages import CONTENT_SECURITY_POLICY

Headers = Mapping[str, str]

# aiohttp would name itself and Python with their versions.
SERVER_HEADERS: Headers = {"Server": "cloudflare-risk-exporter"}

COMMON_HEADERS: Headers = {
    **SERVER_HEADERS,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""What every answer carries unless the web configuration says otherwise."""


def answer_text(text: str, *, status: int = 200, headers: Headers) -> web.Response:
    """Return one line of plain text; its end of line is added here."""
    return web.Response(text=f"{text}\n", status=status, headers=headers)


def answer_html(page: str, *, headers: Headers) -> web.Response:
    """Return a page."""
    return web.Response(text=page, content_type="text/html", headers=headers)
