"""The laws of log output: one shape for all, and never a secret in it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import structlog
from pydantic import SecretStr

from exporter.logs import REDACTED, configure_logging

TOKEN = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(write: Callable[[], None], *, log_format: str = "json", level: str = "info") -> str:
    """Return what reaches the stream when `write` logs."""
    stream = io.StringIO()
    configure_logging(level=level, log_format=log_format, stream=stream)
    write()
    return stream.getvalue()


def test_an_event_is_one_json_object_with_its_fields_level_logger_and_time() -> None:
    """Log collectors read a line as a value; numbers stay numbers, times are in UTC."""
    event = json.loads(
        logged(lambda: structlog.get_logger("exporter.x").warning("poll.failed", failures=3))
    )
    assert datetime.fromisoformat(event.pop("timestamp")).tzinfo == UTC
    assert event == {
        "event": "poll.failed",
        "failures": 3,
        "level": "warning",
        "logger": "exporter.x",
    }


def test_a_librarys_records_take_the_same_road() -> None:
    """Libraries such as aiohttp log through the standard library; a second format breaks collectors."""
    line = logged(lambda: logging.getLogger("aiohttp.server").error("Error %s", "handling"))
    assert json.loads(line)["event"] == "Error handling"


@pytest.mark.parametrize("log", ["structlog", "stdlib"])
def test_events_below_the_level_are_not_written(log: str) -> None:
    """The level is the operator's."""
    logger = structlog.get_logger("x") if log == "structlog" else logging.getLogger("x")
    assert logged(lambda: logger.info("poll.succeeded"), level="warning") == ""


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    """People read terminals, programs read pipes."""
    terminal = Terminal()
    configure_logging(level="info", log_format="auto", stream=terminal)
    structlog.get_logger("x").info("server.started")
    assert not terminal.getvalue().startswith("{")
    assert logged(lambda: structlog.get_logger("x").info("a.b"), log_format="auto")[0] == "{"


def test_the_last_configuration_counts_alone() -> None:
    """A reload may change level and format; an event must not be written twice."""
    first = io.StringIO()
    configure_logging(level="info", log_format="json", stream=first)
    line = logged(lambda: structlog.get_logger("x").info("config.reloaded"))
    assert line.count("config.reloaded") == 1
    assert first.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"token": TOKEN},
        {"api_token": "short"},
        {"headers": {"Authorization": "Bearer xyz"}},
        {"header": "Bearer xyz"},
        {"email": "xyz"},
        {"user": "xyz@example.com"},
        {"users": [{"mail": "xyz"}, ("xyz@example.com",)]},
        {"message": f"tried {TOKEN} twice"},
        {"value": "cfut_xyz" + "0" * 30},
        {"error": ValueError(f"bad header {TOKEN}")},
        {"value": SecretStr(TOKEN)},
    ],
    ids=str,
)
def test_no_field_shows_a_token_or_an_email(fields: dict[str, object], log_format: str) -> None:
    """Logs go to more people than the token or the users' names may."""
    line = logged(
        lambda: structlog.get_logger("x").info("client.failed", **fields), log_format=log_format
    )
    assert TOKEN not in line
    assert "xyz" not in line
    assert "short" not in line


def test_what_is_harmless_stays_readable() -> None:
    """A defence that takes out ids, paths and URLs would be switched off by the first reader."""
    fields: dict[str, object] = {
        "account_id": "023e105f4ecef8ad9ca31a8372d0c353",
        "user_id": "0b4a0b7d-2f0a-4e6e-9a53-0a9d4a4f6a11",
        "api_token_file": "/run/secrets/acme-token",
        "url": "http://127.0.0.1:10876/metrics",
        "seconds": 0.25,
        "reloaded": True,
        "previous": None,
    }
    event = json.loads(logged(lambda: structlog.get_logger("x").info("config.read", **fields)))
    assert {key: event[key] for key in fields} == fields


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("log", ["structlog", "stdlib"])
def test_a_traceback_is_written_without_secrets(log: str, log_format: str) -> None:
    """The message of a library's exception, or a local variable, may hold a header."""

    def fail() -> None:
        headers: dict[str, str] = {}
        wanted = f"Bearer {TOKEN}"
        logger = structlog.get_logger("x") if log == "structlog" else logging.getLogger("x")
        try:
            headers[wanted]
        except KeyError:
            logger.exception("task.failed")

    line = logged(fail, log_format=log_format)
    assert "Traceback" in line
    assert REDACTED in line
    assert TOKEN not in line


@pytest.mark.parametrize(
    ("variable", "value", "is_coloured"),
    [
        ("NO_COLOR", "", True),
        ("NO_COLOR", "1", False),
        ("TERM", "dumb", False),
        ("TERM", "xterm", True),
    ],
)
def test_a_console_is_coloured_unless_that_is_unwanted(
    variable: str,
    value: str,
    is_coloured: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://no-color.org: set to anything but nothing."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    stream = Terminal()
    configure_logging(level="info", log_format="console", stream=stream)
    structlog.get_logger("exporter.x").warning("poll.failed", failures=3)
    assert ("\x1b[" in stream.getvalue()) is is_coloured
