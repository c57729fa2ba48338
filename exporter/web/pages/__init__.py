"""The page for people, as HTML. Shows no identities, runs no scripts, loads nothing."""

from exporter.web.pages.document import REFRESH_SECONDS, render_status_page
from exporter.web.pages.style import CONTENT_SECURITY_POLICY

__all__ = ["CONTENT_SECURITY_POLICY", "REFRESH_SECONDS", "render_status_page"]
