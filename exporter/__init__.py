"""Cloudflare Zero Trust user risk as Prometheus metrics."""

__version__ = "0.1.0"
"""The version. It is defined here, so that a checkout that is not installed also has it."""
