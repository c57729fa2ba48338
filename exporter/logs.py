"""Log output by structlog, for the exporter's events and those of libraries.

Events are named `noun.verb_past` and have typed fields. Callers log no tokens and no emails; as a
safeguard, values that look like one are redacted here.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import TextIO

# structlog imports rich if it is installed, for tracebacks in color. No log line uses them, and a
# service would hold 4 MB of modules for them.
_without_rich = "rich" not in sys.modules
if _without_rich:
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger
finally:
    if _without_rich:
        del sys.modules["rich"]

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"(?:token|authorization|password|secret|api_?key|e?mail)(?!_file)", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"""(?i:(?<=bearer\s)[^\s'"]+)                    # a header's credentials
        |[\w.%+-]+@[\w-]+(?:\.[\w-]+)+                # an email
        |\bcf[a-z]{1,3}_[A-Za-z0-9_-]{20,}            # a token with Cloudflare's prefix
        |(?<![\w/-])                                  # an older one: 40 characters of all classes
         (?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[A-Za-z0-9_-]{40}(?![\w/-])""",
    re.VERBOSE,
)


def configure_logging(*, level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Write events of `level` and above to `stream`, by default stderr.

    `level` is debug, info, warning or error. `log_format` is json, console, or auto, which is
    console on a terminal and JSON elsewhere. Terminals get colors unless NO_COLOR is set
    (https://no-color.org). A later call replaces the configuration, which is global to the process.
    """
    target = stream or sys.stderr
    as_console = log_format == "console" or (log_format == "auto" and target.isatty())
    common = _common_processors("%H:%M:%S" if as_console else "iso")
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=_final_processors(as_console=as_console, colors=_has_colors(target)),
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module. Other modules do not import structlog themselves."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _has_colors(target: TextIO) -> bool:
    is_disabled = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return target.isatty() and not is_disabled


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what looks like a token or an email, by its key or its text, at any depth.

    Values other than numbers, texts and collections are logged as text.
    """
    return {key: _redacted(key, value) for key, value in event.items()}


def _common_processors(time_format: str) -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt=time_format, utc=time_format == "iso"),
    ]


def _final_processors(*, as_console: bool, colors: bool) -> list[Processor]:
    # Tracebacks are formatted before redaction, without local variables, which may hold tokens.
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if as_console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        renderer,
    ]


def _redacted(key: object, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_KEY.search(str(key)):
        return REDACTED
    if isinstance(value, Mapping):
        return {str(inner): _redacted(inner, part) for inner, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", part) for part in value]
    return _SECRET_TEXT.sub(REDACTED, str(value))


class StateChangeLog:
    """Logs a condition once when it begins and once when it ends, however often it is reported.

    A condition may have several causes; each is logged once until the condition ends. Repetitions
    are logged at debug level. `logger` is the module's own.
    """

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger
        self._causes: set[str] = set()

    def begin(self, event: str, *, cause: str = "", **fields: object) -> None:
        """Log a warning unless the condition lasts already for this cause."""
        log = self._logger.debug if cause in self._causes else self._logger.warning
        self._causes.add(cause)
        log(event, **fields)

    def end(self, event: str, **fields: object) -> None:
        """Log that the condition is over; do nothing if there is none."""
        if self._causes:
            self._causes.clear()
            self._logger.info(event, **fields)
