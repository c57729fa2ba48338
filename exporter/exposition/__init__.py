"""Snapshots as rendered and compressed bytes, so that a scrape only joins them."""

from exporter.exposition.exposition import Exposition, Scrape

__all__ = ["Exposition", "Scrape"]
