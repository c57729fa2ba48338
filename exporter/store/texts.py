"""Texts as SQLite takes them, whatever the API put into them."""

import sqlite3


def sql_text(text: str) -> str | bytes:
    """The text as SQLite takes it: itself, or bytes where UTF-8 has no way to write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def python_text(kept: object) -> str:
    """Return the text that `sql_text` was given.

    Raises sqlite3.DataError for a value that it cannot have returned.
    """
    if isinstance(kept, str):
        return kept
    try:
        if isinstance(kept, bytes):
            return kept.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        pass
    raise sqlite3.DataError("a text of the file is not a text")
