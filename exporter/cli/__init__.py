"""The command line: arguments in, exit status out."""

from exporter.cli.entry import main

__all__ = ["main"]
