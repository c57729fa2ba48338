"""A snapshot as bytes, kept rendered and compressed, so that a scrape costs next to nothing."""

from exporter.exposition.exposition import Exposition, Scrape

__all__ = ["Exposition", "Scrape"]
