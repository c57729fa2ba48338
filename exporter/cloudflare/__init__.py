"""Cloudflare's risk-scoring API: what it says (`wire`) and how it is asked (`client`)."""
