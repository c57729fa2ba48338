"""The errors this package raises on purpose, as one tree.

An error's class says what the caller may do; its attributes keep the evidence. No message
ever holds a token, an email or the body of an answer.
"""

from typing import ClassVar


class ExporterError(Exception):
    """Anything this package raises on purpose."""


class ConfigurationError(ExporterError):
    """The configuration or the command line is wrong: correct it and start again."""


class ListenError(ExporterError):
    """An address cannot be listened on: it is in use, not one of this machine, or unknown to DNS.

    Not a ConfigurationError, because it may pass: a supervisor should start the exporter again.
    """


class OutputError(ExporterError):
    """Output cannot be written, as on a full disk."""


class StateError(ExporterError):
    """The state cannot be opened or is not ours: the message says what to do about it."""


class CommitError(ExporterError):
    """A transaction did not reach the disk: keep the changes and commit them again later."""


LONGEST_MESSAGE = 500
"""Characters of a PollError's message; a message is one line of printable characters."""


class PollError(ExporterError):
    """A request to the API gave no usable answer.

    `reason` is the value of the `reason` label of `poll_failures_total`. `ray_id` is the CF-RAY
    of the answer, by which Cloudflare's support finds the request; None where there is none.
    """

    reason: ClassVar[str]

    def __init__(self, message: str) -> None:
        cleaned = "".join(char if char.isprintable() else " " for char in message)
        super().__init__(cleaned[:LONGEST_MESSAGE])
        self.ray_id: str | None = None

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.ray_id is None else f"{message} (CF-RAY {self.ray_id})"


class TimedOutError(PollError):
    """No whole answer came within the time of one attempt: try again later."""

    reason = "timeout"


class NetworkError(PollError):
    """The API could not be reached or hung up: try again later."""

    reason = "network"


class TlsError(PollError):
    """The API's certificate was not believed: look at the clock, the CA bundle, the proxy."""

    reason = "tls"


class BadResponseError(PollError):
    """The answer is not what the API documents, or was cut short: keep the last good data.

    `field` names the place in the answer that is wrong (`result.users`, `body`, ...).
    """

    reason = "bad_response"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class StatusError(PollError):
    """The API answered with an error: `status` is HTTP's, `codes` are the envelope's own."""

    def __init__(self, message: str, *, status: int, codes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes


class ThrottledError(StatusError):
    """The API asked us to slow down (429): ask nothing before `retry_after_seconds`.

    None: the API did not say for how long.
    """

    reason = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        codes: tuple[int, ...] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, status=status, codes=codes)
        self.retry_after_seconds = retry_after_seconds


class UnauthorizedError(StatusError):
    """The token is not one the API knows (401): read it again, or have it replaced."""

    reason = "unauthorized"


class ForbiddenError(StatusError):
    """The token lacks the permission, or the account's plan lacks risk scoring (403)."""

    reason = "forbidden"


class NotFoundError(StatusError):
    """The API does not know this user, integration or account (404)."""

    reason = "not_found"


class ServerError(StatusError):
    """The API failed on its own side (5xx): try again later."""

    reason = "server_error"


class RejectedError(StatusError):
    """The API refused what was asked of it (any other 4xx): correct the request.

    For a request with a body its message carries the API's explanation, with quoted values, emails
    and ids left out.
    """

    reason = "bad_response"
