"""Builds everything from the settings, runs it, and takes it down in reverse."""

from exporter.app.backfill import read_past
from exporter.app.once import OnceResult, poll_once
from exporter.app.serving import serve

__all__ = ["OnceResult", "poll_once", "read_past", "serve"]
