"""The errors that this package raises on purpose, as one tree.

The class of an error states its scope, its `reason` label and its retry delay. No message contains a token, an email
or the body of an answer.
"""

from enum import Enum
from typing import ClassVar, Final


class ExporterError(Exception):
    """Base class of all errors that this package raises on purpose."""


class ConfigurationError(ExporterError):
    """The configuration or the command line is wrong and must be corrected before a new start."""


class ListenError(ExporterError):
    """An address cannot be listened on: it is in use, not one of this machine, or unknown to DNS.

    Not a ConfigurationError, because the cause may pass and a supervisor should try again.
    """


class OutputError(ExporterError):
    """Output cannot be written, for example because the disk is full."""


class StateError(ExporterError):
    """The state cannot be opened or belongs to another program; the message says what to do."""


class CommitError(ExporterError):
    """A transaction did not reach the disk. Keep the changes and commit them again later."""


LONGEST_MESSAGE = 500
"""The most characters of a PollError's message, which is one line of printable characters."""

DENIED_RETRY_SECONDS = 60.0
"""The shortest delay before a token that was denied access is sent again."""


class Scope(Enum):
    """Which requests an error concerns, besides the one that failed."""

    REQUEST = "request"
    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105 - the name of a scope
    API = "API"


class PollError(ExporterError):
    """A request to the API gave no usable answer.

    `reason` is the value of the `reason` label of `poll_failures_total`. `scope` says which other
    requests fail as well. `is_transient`: whether the same request may succeed if it is sent
    again. `denies_access`: whether the API rejected the token or its permissions. `ray_id` is the
    CF-RAY of the answer, by which Cloudflare's support finds the request, or None. `advice`, if
    set, is added to the message.
    """

    reason: ClassVar[str]
    scope: ClassVar[Scope] = Scope.REQUEST
    is_transient: ClassVar[bool] = False
    denies_access: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        cleaned = "".join(char if char.isprintable() else " " for char in message)
        super().__init__(cleaned[:LONGEST_MESSAGE])
        self.advice = ""
        self.ray_id: str | None = None

    @property
    def retry_delay_seconds(self) -> float:
        """The shortest delay before requests in this error's scope are sent again."""
        return DENIED_RETRY_SECONDS if self.denies_access else 0.0

    def remedy(self, permission: str) -> str:  # noqa: ARG002 - subclasses use it
        """Return what the operator can do about it, or "" if the message already contains it.

        `permission` is the permission that the request needs.
        """
        return ""

    def __str__(self) -> str:
        message = super().__str__()
        if self.advice:
            message = f"{message}; {self.advice}"
        return message if self.ray_id is None else f"{message} (CF-RAY {self.ray_id})"


class TimedOutError(PollError):
    """No complete answer arrived within the time limit of one attempt."""

    reason = "timeout"
    is_transient = True


class NetworkError(PollError):
    """The API could not be reached, or closed the connection."""

    reason = "network"
    is_transient = True


class TlsError(PollError):
    """The API's certificate could not be verified, or no TLS connection could be made."""

    reason = "tls"
    scope = Scope.API


class StatusError(PollError):
    """The API answered with an error: `status` is HTTP's, `codes` are those of the envelope."""

    def __init__(self, message: str, *, status: int, codes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes


class ThrottledError(StatusError):
    """The API refuses all requests with this token for `retry_after_seconds` (429).

    None: the API did not say for how long.
    """

    reason = "rate_limited"
    scope = Scope.TOKEN
    is_transient = True

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

    @property
    def retry_delay_seconds(self) -> float:
        """The time that the API asked for."""
        return self.retry_after_seconds or 0.0


class UnauthorizedError(StatusError):
    """The API does not know the token (401)."""

    reason = "unauthorized"
    scope = Scope.TOKEN
    denies_access = True

    def remedy(self, permission: str) -> str:  # noqa: ARG002 - no permission helps
        """Return the advice to replace the token."""
        return "Cloudflare does not know this token; replace it"


class ForbiddenError(StatusError):
    """The token lacks the permission, or the account's plan lacks risk scoring (403)."""

    reason = "forbidden"
    scope = Scope.ACCOUNT
    denies_access = True

    def remedy(self, permission: str) -> str:
        """Return what the token or the account may lack."""
        return (
            f"the token lacks the permission {permission!r} for this account,"
            " or the account's plan has no risk scoring"
        )


class NotFoundError(StatusError):
    """The API does not know this user, integration or account (404)."""

    reason = "not_found"

    def remedy(self, permission: str) -> str:  # noqa: ARG002 - no permission helps
        """Return what to check."""
        return "check the account id and any other id in the request"


class ServerError(StatusError):
    """The API failed on its own side (5xx)."""

    reason = "server_error"
    is_transient = True


class BadResponseError(PollError):
    """The answer is not as the API documents it, or is incomplete. The last good data stay.

    `field` names the part of the answer that is wrong (`result.users`, `body`, ...).
    """

    reason = "bad_response"
    is_transient = True

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class RejectedError(StatusError):
    """The API rejected the request itself (any other 4xx).

    For a request with a body the message contains the API's explanation, without quoted values,
    emails and ids.
    """

    reason = "bad_response"


POLL_ERRORS: Final[tuple[type[PollError], ...]] = (
    TimedOutError,
    NetworkError,
    TlsError,
    ThrottledError,
    UnauthorizedError,
    ForbiddenError,
    NotFoundError,
    ServerError,
    BadResponseError,
    RejectedError,
)
"""Every class of PollError that is raised."""
