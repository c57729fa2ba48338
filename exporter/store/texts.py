"""Texts as SQLite takes them, whatever the API put into them."""


def sql_text(text: str) -> str | bytes:
    """The text as SQLite takes it: itself, or bytes where UTF-8 has no way to write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def python_text(kept: str | bytes) -> str:
    """The text that `sql_text` was given."""
    return kept if isinstance(kept, str) else kept.decode("utf-8", "surrogatepass")
