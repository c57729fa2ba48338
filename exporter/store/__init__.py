"""What must survive: one interface, and the media that offer it."""

from exporter.store.interface import Store
from exporter.store.memory import MemoryStore

__all__ = ["MemoryStore", "Store"]
