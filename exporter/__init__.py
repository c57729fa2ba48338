"""Cloudflare Zero Trust user risk as Prometheus metrics."""
