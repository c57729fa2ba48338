"""Builds the exporter from the settings, runs it, and closes everything in reverse order."""
