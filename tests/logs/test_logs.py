"""Log output: one format for all events, without secrets."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import capture_logs

from exporter.logs import REDACTED, StateChangeLog, configure_logging

TOKEN = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"


class Terminal(io.StringIO):
    """A stream that reports to be a terminal."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Restore the logging configuration of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(write: Callable[[], None], *, log_format: str = "json", level: str = "info") -> str:
    """Return what is written to the stream when `write` logs."""
    stream = io.StringIO()
    configure_logging(level=level, log_format=log_format, stream=stream)
    write()
    return stream.getvalue()


def test_an_event_is_one_json_object_with_its_fields_level_logger_and_time() -> None:
    """Log collectors parse each line; numbers stay numbers, and times are UTC."""
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


def test_records_of_libraries_have_the_same_format() -> None:
    """Libraries such as aiohttp use the standard library's logging."""
    line = logged(lambda: logging.getLogger("aiohttp.server").error("Error %s", "handling"))
    assert json.loads(line)["event"] == "Error handling"


@pytest.mark.parametrize("log", ["structlog", "stdlib"])
def test_events_below_the_level_are_not_written(log: str) -> None:
    """The level is configurable."""
    logger = structlog.get_logger("x") if log == "structlog" else logging.getLogger("x")
    assert logged(lambda: logger.info("poll.succeeded"), level="warning") == ""


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    """People read terminals, programs read pipes."""
    terminal = Terminal()
    configure_logging(level="info", log_format="auto", stream=terminal)
    structlog.get_logger("x").info("server.started")
    assert not terminal.getvalue().startswith("{")
    assert logged(lambda: structlog.get_logger("x").info("a.b"), log_format="auto")[0] == "{"


def test_the_last_configuration_replaces_earlier_ones() -> None:
    """A reload may change level and format, and an event must not be written twice."""
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
    """More people can read logs than may see tokens and emails."""
    line = logged(
        lambda: structlog.get_logger("x").info("client.failed", **fields), log_format=log_format
    )
    assert TOKEN not in line
    assert "xyz" not in line
    assert "short" not in line


def test_harmless_values_are_not_redacted() -> None:
    """Redacted ids, paths and URLs would make logs useless."""
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
    """The message of a library's exception or a local variable may contain a header."""

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
def test_a_terminal_gets_colors_unless_no_color_is_set(
    variable: str,
    value: str,
    is_coloured: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://no-color.org: any value except the empty one disables colors."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    stream = Terminal()
    configure_logging(level="info", log_format="console", stream=stream)
    structlog.get_logger("exporter.x").warning("poll.failed", failures=3)
    assert ("\x1b[" in stream.getvalue()) is is_coloured


def state_changes(report: Callable[[StateChangeLog], None]) -> list[tuple[str, str]]:
    """Return level and event of each line above debug that `report` has logged."""
    with capture_logs() as lines:
        report(StateChangeLog(structlog.get_logger("exporter.x")))
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


def test_a_condition_is_logged_once_when_it_begins_and_once_when_it_ends() -> None:
    """A poll that fails every minute for a night must not fill the log."""

    def report(log: StateChangeLog) -> None:
        log.end("recovered")
        for _ in range(3):
            log.begin("failed")
        for _ in range(3):
            log.end("recovered")

    assert state_changes(report) == [("warning", "failed"), ("info", "recovered")]


def test_a_condition_that_begins_again_is_logged_again() -> None:
    """The second outage of a day is news."""

    def report(log: StateChangeLog) -> None:
        for _ in range(2):
            log.begin("failed")
            log.end("recovered")

    assert state_changes(report) == [("warning", "failed"), ("info", "recovered")] * 2


def test_each_cause_of_a_condition_is_logged_once_and_its_end_once() -> None:
    """A timeout after a refusal is another problem; alternating causes are not."""

    def report(log: StateChangeLog) -> None:
        for cause in ("timeout", "forbidden", "timeout", "forbidden"):
            log.begin(f"failed: {cause}", cause=cause)
        log.end("recovered")

    assert state_changes(report) == [
        ("warning", "failed: timeout"),
        ("warning", "failed: forbidden"),
        ("info", "recovered"),
    ]


def test_repetitions_of_a_condition_are_logged_at_debug_level() -> None:
    """With the log level debug every failure is visible, with its fields."""
    with capture_logs() as lines:
        log = StateChangeLog(structlog.get_logger("exporter.x"))
        log.begin("failed", error="first")
        log.begin("failed", error="second")

    assert lines[1] == {"log_level": "debug", "event": "failed", "error": "second"}
