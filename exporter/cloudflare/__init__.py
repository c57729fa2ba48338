"""Cloudflare's risk-scoring API: its messages (`wire`) and the HTTP client (`client`)."""
