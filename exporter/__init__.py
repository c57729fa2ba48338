"""Cloudflare Zero Trust user risk as Prometheus metrics."""

__version__ = "0.1.0"
"""Written here and nowhere else, so that a plain checkout knows it without being installed."""
