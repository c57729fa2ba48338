"""Short responses, and the headers of every response."""

from collections.abc import Mapping

from aiohttp import web

from exporter.web.pages import CONTENT_SECURITY_POLICY

Headers = Mapping[str, str]

# aiohttp's default names the versions of aiohttp and Python.
SERVER_HEADERS: Headers = {"Server": "cloudflare-risk-exporter"}

COMMON_HEADERS: Headers = {
    **SERVER_HEADERS,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""The headers of every response, unless the web configuration replaces them."""


def answer_text(text: str, *, status: int = 200, headers: Headers) -> web.Response:
    """Return a plain-text response of `text` and a line feed."""
    return web.Response(text=f"{text}\n", status=status, headers=headers)


def answer_html(page: str, *, headers: Headers) -> web.Response:
    """Return an HTML response."""
    return web.Response(text=page, content_type="text/html", headers=headers)
