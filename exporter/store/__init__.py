"""Persistent state: one interface, implemented in SQLite and in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.store.interface import Store
from exporter.store.memory import MemoryStore
from exporter.store.opening import examine
from exporter.store.sqlite import SqliteStore, open_sqlite

__all__ = ["MemoryStore", "SqliteStore", "Store", "examine", "open_sqlite", "open_store"]


@asynccontextmanager
async def open_store(path: Path | None) -> AsyncIterator[Store]:
    """Open the state file at `path`, or a state in memory if it is None; see `open_sqlite`."""
    if path is None:
        yield MemoryStore()
        return
    async with open_sqlite(path) as store:
        yield store
