"""What can be typed in a terminal: arguments in, an exit status out."""

from exporter.cli.entry import main

__all__ = ["main"]
